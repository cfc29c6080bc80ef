/** Options that every agent command takes, and what they make of the configuration. */
import type { ArgsDef } from "citty";
import { type LoadedConfig, loadConfig } from "../../agent/config.ts";
import { createLogger, type Logger } from "../../lib/log.ts";
import { globalArgs } from "../_cli.ts";

export const agentArgs = {
  ...globalArgs,
  insecure: {
    type: "boolean",
    description: "Allow plain http to a host that is not this machine (REXEC_INSECURE=1)",
  },
  verbose: { type: "boolean", description: "Say more (REXEC_LOG=debug)" },
} as const satisfies ArgsDef;

/** For the help: what the agent's commands read of the environment. */
export const ENVIRONMENT_NOTE =
  "Environment: REXEC_TOKEN, REXEC_HOST (or REXEC_API) and REXEC_CONFIG overrule the configuration; REXEC_CA_FILE names " +
  "certificates to trust beside the built-in ones (PEM), REXEC_INSECURE=1 allows plain http over a network, REXEC_LOG is " +
  "error, warn, info or debug; HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY count for every connection.";

/** What the options above give. */
export interface AgentArgs {
  config?: string | undefined;
  insecure?: boolean | undefined;
  verbose?: boolean | undefined;
}

/** A logger on stderr: `--verbose`, else REXEC_LOG (silent, error, warn, info, debug). */
export function agentLogger({ verbose }: AgentArgs): Logger {
  return createLogger(verbose ? "debug" : process.env.REXEC_LOG);
}

/** Reads the configuration and warns of what is odd about it. */
export function loadAgentConfig(
  args: AgentArgs & { host?: string | undefined; token?: string | undefined },
  logger: Logger,
): LoadedConfig {
  const { config, insecure, host, token } = args;
  const loaded = loadConfig({ config, insecure, host, token, env: process.env });
  for (const warning of loaded.file?.warnings ?? []) logger.warn(warning);
  return loaded;
}
