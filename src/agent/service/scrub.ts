/** Variables that may not reach the agent by chance from the environment of a service manager. */
import { RUNTIME_VARIABLES } from "../../lib/service/runtime-variables.ts";

/** What overrules the configuration file. The administrator of a service may mean it so: it counts from their files. */
export const OUR_VARIABLES = [
  "REXEC_TOKEN",
  "REXEC_HOST",
  "REXEC_API",
  "REXEC_CONFIG",
  "REXEC_INSECURE",
] as const;

/** All of them. */
export const FOREIGN_VARIABLES = [...RUNTIME_VARIABLES, ...OUR_VARIABLES] as const;
