/** Switches of the runtime, which work on finished executables too: no service may get them by chance. */
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
