/** Options that every agent command takes, and what they make of the configuration. */
import type { ArgsDef } from "citty";
import { type LoadedConfig, loadConfig } from "../../agent/config/config.ts";
import { findConfig } from "../../agent/config/file.ts";
import { meantConfig } from "../../agent/config/meant.ts";
import { homeOf } from "../../agent/control/place.ts";
import { actingAsNow, actingUid, become } from "../../agent/trust/identity.ts";
import { ownerOf } from "../../agent/trust/owner.ts";
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

/**
 * What becomes of root's rights where another account decides what the configuration says: `owner` acts as that account
 * from now on; `kept` does so too, and `asRoot` still works; `root` only reads it as that account.
 */
export type Rights = "owner" | "kept" | "root";

/** Reads the configuration and warns of what is odd about it. @param isNew a machine is registered: another account's configuration does not count */
export function loadAgentConfig(
  args: AgentArgs & { host?: string | undefined; token?: string | undefined },
  logger: Logger,
  { rights = "owner", isNew = false }: { rights?: Rights; isNew?: boolean } = {},
): LoadedConfig {
  const { insecure, host, token } = args;
  const meant = (isNew ? findConfig : meantConfig)(args.config, process.env);
  const config = meant ?? args.config;
  const owner = meant === null ? 0 : actAsOwner(meant, rights);
  const loaded = actingAsNow(owner, () => loadConfig({ config, insecure, host, token, env: process.env }));
  for (const warning of loaded.file?.warnings ?? []) logger.warn(warning);
  return loaded;
}

/**
 * Root does as another account what that one's configuration says.
 * @returns that account, or the one that this process is
 * @throws RexecError `untrusted_path`, `cannot_act_as`
 */
export function actAsOwner(config: string, rights: Rights = "owner"): number {
  const { env } = process;
  if (actingUid() !== 0) return actingUid();
  const uid = ownerOf(config);
  if (rights === "root") return uid;
  become({ uid, home: homeOf(config, uid), env, keepsRoot: rights === "kept" });
  return uid;
}
