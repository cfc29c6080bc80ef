/** Variables that may not reach the agent by chance from the environment of a service manager. */

/** Switches of the runtime, which work on finished executables too. */
export const RUNTIME_VARIABLES = [
  "BUN_OPTIONS",
  "BUN_BE_BUN",
  "BUN_INSPECT",
  "BUN_INSPECT_PRELOAD",
  "BUN_INSPECT_CONNECT_TO",
  "BUN_INSPECT_NOTIFY",
  "BUN_CONFIG_VERBOSE_FETCH",
  "BUN_CONFIG_WS_CLOSE_TIMEOUT",
  "NODE_OPTIONS",
  "NODE_TLS_REJECT_UNAUTHORIZED",
] as const;

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
