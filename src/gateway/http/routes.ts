/** Every declared route of the gateway. A file of routes is in here or it does not exist. */
import { accessRoutes } from "./access.ts";
import { agentRoutes } from "./agents.ts";
import { containerRoutes } from "./containers.ts";
import { recordingPolicyRoutes } from "./recording-policies.ts";
import { recordingRoutes } from "./recordings.ts";
import type { Route } from "./route.ts";
import { sessionRoutes } from "./sessions.ts";
import { tokenRoutes } from "./tokens.ts";

export const ROUTES: readonly Route[] = [
  ...tokenRoutes,
  ...agentRoutes,
  ...containerRoutes,
  ...sessionRoutes,
  ...accessRoutes,
  ...recordingRoutes,
  ...recordingPolicyRoutes,
];
