/** Every declared route of the gateway. A file of routes is in here or it does not exist. */
import { accessRoutes } from "./access.ts";
import { accountRoutes } from "./account.ts";
import { agentRoutes } from "./agents.ts";
import { auditRoutes } from "./audit.ts";
import { containerRoutes } from "./containers.ts";
import { descriptionRoutes } from "./description.ts";
import { deviceRoutes } from "./device.ts";
import { factorRoutes } from "./factors.ts";
import { inviteRoutes } from "./invites.ts";
import { joinRoutes } from "./joins.ts";
import { openApiRoute } from "./openapi-route.ts";
import { operationsRoutes } from "./operations.ts";
import { factorPageRoutes } from "./pages/factor-routes.ts";
import { oidcRoutes } from "./pages/oidc-routes.ts";
import { pageRoutes } from "./pages/routes.ts";
import { passkeyRoutes } from "./passkeys.ts";
import { recordingPolicyRoutes } from "./recording-policies.ts";
import { recordingRoutes } from "./recordings.ts";
import { registrationRoutes } from "./registration.ts";
import type { Route } from "./route.ts";
import { sessionRoutes } from "./sessions.ts";
import { shareRoutes } from "./shares.ts";
import { signInRoutes } from "./sign-in.ts";
import { tokenRoutes } from "./tokens.ts";
import { userRoutes } from "./users.ts";
import { viewerRoutes } from "./viewers.ts";

const DECLARED: readonly Route[] = [
  ...accessRoutes,
  ...accountRoutes,
  ...agentRoutes,
  ...auditRoutes,
  ...containerRoutes,
  ...descriptionRoutes,
  ...deviceRoutes,
  ...factorPageRoutes,
  ...factorRoutes,
  ...inviteRoutes,
  ...joinRoutes,
  ...oidcRoutes,
  ...operationsRoutes,
  ...pageRoutes,
  ...passkeyRoutes,
  ...recordingPolicyRoutes,
  ...recordingRoutes,
  ...registrationRoutes,
  ...sessionRoutes,
  ...shareRoutes,
  ...signInRoutes,
  ...tokenRoutes,
  ...userRoutes,
  ...viewerRoutes,
];

export const ROUTES: readonly Route[] = [...DECLARED, openApiRoute(() => ROUTES)];
