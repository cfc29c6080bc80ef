/** Variables that may not reach the agent from a service manager's environment. */

/** Switches of the runtime, which work on finished executables too, and what would overrule the configuration file. */
export const FOREIGN_VARIABLES = [
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
  "REXEC_TOKEN",
  "REXEC_HOST",
  "REXEC_API",
  "REXEC_CONFIG",
  "REXEC_INSECURE",
] as const;
