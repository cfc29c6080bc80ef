/** Every declared route of the gateway. A file of routes is in here or it does not exist. */
import { accessRoutes } from "./access.ts";
import { accountRoutes } from "./account.ts";
import { agentRoutes } from "./agents.ts";
import { auditRoutes } from "./audit.ts";
import { containerRoutes } from "./containers.ts";
import { descriptionRoutes } from "./description.ts";
import { deviceRoutes } from "./device.ts";
import { inviteRoutes } from "./invites.ts";
import { joinRoutes } from "./joins.ts";
import { operationsRoutes } from "./operations.ts";
import { pageRoutes } from "./pages/routes.ts";
import { recordingPolicyRoutes } from "./recording-policies.ts";
import { recordingRoutes } from "./recordings.ts";
import { registrationRoutes } from "./registration.ts";
import type { Route } from "./route.ts";
import { sessionRoutes } from "./sessions.ts";
import { signInRoutes } from "./sign-in.ts";
import { tokenRoutes } from "./tokens.ts";
import { userRoutes } from "./users.ts";

export const ROUTES: readonly Route[] = [
  ...tokenRoutes,
  ...registrationRoutes,
  ...agentRoutes,
  ...descriptionRoutes,
  ...joinRoutes,
  ...containerRoutes,
  ...sessionRoutes,
  ...accessRoutes,
  ...recordingRoutes,
  ...recordingPolicyRoutes,
  ...deviceRoutes,
  ...operationsRoutes,
  ...signInRoutes,
  ...accountRoutes,
  ...userRoutes,
  ...inviteRoutes,
  ...pageRoutes,
  ...auditRoutes,
  ...operationsRoutes,
];
