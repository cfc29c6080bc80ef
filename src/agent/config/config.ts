/** The agent's configuration, as it applies: options before environment, environment before file. */

import { hostname } from "node:os";
import { ExitCode, RexecError } from "../../lib/errors.ts";
import { isPathSegment } from "../../protocol/path.ts";
import { isJoinToken } from "../../protocol/token.ts";
import { type ConfigFile, findConfig, newConfigPath, readConfig } from "./file.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The public service, where no other is named. */
export const DEFAULT_HOST = "https://rexec.pipeops.io";

/** What was given on the command line. */
export interface ConfigOptions {
  config?: string | undefined;
  host?: string | undefined;
  token?: string | undefined;
  insecure?: boolean | undefined;
  env: Environment;
  /** Where the system-wide file is; only tests name another. */
  systemConfig?: string | undefined;
  /** Read a file only where one is named: how this machine is registered for good does not concern an ephemeral agent. */
  onlyNamed?: boolean | undefined;
}

/** The default of `dead_after`, ms. */
const V2_DEAD_MS = 8_000;

const DAY_MS = 86_400_000;

/** Where a value came from. */
export type Origin = "option" | "environment" | "file" | "default";

/** What is known, registered or not. */
export interface LoadedConfig {
  /** The file that was read, or null where there is none. */
  readonly file: ConfigFile | null;
  /** The file to write. */
  readonly path: string;
  readonly host: string;
  readonly hostOrigin: Origin;
  /** What the agent connects with: never a join token. */
  readonly token: string | null;
  readonly tokenOrigin: Exclude<Origin, "default"> | null;
  /** What counts before `token` where this machine registers, and nowhere else. */
  readonly joinToken: string | null;
  readonly insecure: boolean;
  readonly caFile: string | undefined;
  readonly autoUpdate: boolean;
  readonly region: string | undefined;
}

/** All that a running agent needs. */
export interface AgentConfig {
  readonly path: string;
  readonly host: string;
  readonly token: string;
  /** Where the token came from; the file where nothing is said. */
  readonly tokenOrigin?: "file" | "environment" | "option" | undefined;
  /** The token may stand in the socket's address, at a server that does not take it in the header. */
  readonly tokenInQuery?: boolean | undefined;
  readonly agentId: string;
  readonly name: string;
  readonly shell: string | undefined;
  readonly workingDir: string | undefined;
  readonly caFile: string | undefined;
  readonly insecure: boolean;
  /** Told in `system_info`. */
  readonly region?: string | undefined;
  readonly maxSessions: number;
  /** Bytes. */
  readonly sessionBuffer: number;
  /** Bytes. */
  readonly memoryBudget: number;
  /** The rings of rexec.v2, bytes; where they are not given they follow the machine's memory. */
  readonly ringSize?: number | undefined;
  readonly ringBudget?: number | undefined;
  /** How long what was asked for over a lost connection stands, ms. */
  readonly viewerGraceMs?: number | undefined;
  /** Where rexec.v2 is spoken: silence after which the server is pinged and after which it is given up, ms. */
  readonly pingMs?: number | undefined;
  readonly deadMs?: number | undefined;
  /** Idle sessions are ended after, ms; never where it is 0 or not given. */
  readonly idleMs?: number | undefined;
  readonly orphanMs?: number | undefined;
  /** How often the agent looks for a newer version of itself, ms; never where it is not given. */
  readonly updateMs?: number | undefined;
}

/** What `rexec-agent start` was given for this run. */
export type AgentLimits = Partial<Pick<AgentConfig, "maxSessions" | "idleMs" | "orphanMs">>;

/** @throws RexecError of `readConfig`, or `config_missing` where a file was named and is not there */
export function loadConfig(options: ConfigOptions): LoadedConfig {
  const { env } = options;
  const isNamed = Boolean(options.config || env.REXEC_CONFIG);
  const found = options.onlyNamed && !isNamed ? null : findConfig(options.config, env, options.systemConfig);
  const file = found === null ? null : readConfig(found);
  const settings = file?.settings ?? {};
  const [host, hostOrigin] = pick(options.host, env.REXEC_HOST || env.REXEC_API, settings.api_url) ?? [
    DEFAULT_HOST,
    "default" as const,
  ];
  const [given = ""] = pick(options.token, env.REXEC_TOKEN, settings.token) ?? [];
  const [token, tokenOrigin] = pick(
    noJoinToken(options.token),
    noJoinToken(env.REXEC_TOKEN),
    noJoinToken(settings.token),
  ) ?? [null, null];
  return {
    file,
    path: found ?? newConfigPath(env, process.getuid?.() === 0, options.systemConfig),
    host,
    hostOrigin,
    token: token?.trim() ?? null,
    tokenOrigin,
    joinToken: isJoinToken(given.trim()) ? given.trim() : null,
    insecure: options.insecure === true || isOn(env.REXEC_INSECURE) || settings.insecure === true,
    caFile: env.REXEC_CA_FILE || settings.ca_file,
    region: (env.REXEC_REGION || settings.region)?.trim() || undefined,
    autoUpdate: env.REXEC_AUTO_UPDATE ? isOn(env.REXEC_AUTO_UPDATE) : settings.auto_update === true,
  };
}

/** True where the server that is meant is the one that the file names: no option or variable puts another in its place. */
export function isRegisteredHost({ file, host }: LoadedConfig): boolean {
  return serverKey(file?.settings.api_url ?? DEFAULT_HOST) === serverKey(host);
}

/**
 * The file of a registered machine, with or without a token.
 * @throws RexecError `config_missing` or `not_registered`, with exit code 3
 */
export function requireAgentId({ file, path }: LoadedConfig): { file: ConfigFile; agentId: string } {
  if (!file) throw notSetUp("config_missing", `no configuration at ${path}: this machine is not registered`);
  const { agent_id: agentId } = file.settings;
  if (!agentId) throw notSetUp("not_registered", `${path} names no agent_id: this machine is not registered`);
  if (!isPathSegment(agentId)) throw notSetUp("not_registered", `${path} names "${agentId}" as its agent_id`);
  return { file, agentId };
}

/**
 * @param limits before those of the file
 * @throws RexecError `config_missing`, `not_registered` or `token_missing`, all with exit code 3;
 * `bad_liveness`
 */
export function requireRegistered(loaded: LoadedConfig, limits: AgentLimits = {}): AgentConfig {
  const { file, agentId } = requireAgentId(loaded);
  const { settings } = file;
  if (!loaded.token) {
    const why = loaded.joinToken
      ? "there is only a join token, which registers a machine and connects none"
      : `neither REXEC_TOKEN is set nor does ${loaded.path} hold one`;
    throw notSetUp("token_missing", `no token: ${why}`);
  }
  const { token } = loaded;
  return configOf(loaded, { token, agentId, name: settings.name ?? hostname() }, limits);
}

/**
 * The configuration of an agent that is registered as `who`.
 * @throws RexecError `bad_liveness`
 */
export function configOf(
  loaded: LoadedConfig,
  who: Pick<AgentConfig, "token" | "agentId" | "name">,
  limits: AgentLimits = {},
): AgentConfig {
  const settings = loaded.file?.settings ?? {};
  const { ping_interval: pingMs, dead_after: deadMs } = settings;
  if ((deadMs ?? V2_DEAD_MS) <= (pingMs ?? 0) || pingMs === 0) {
    throw new RexecError(`${loaded.path}: dead_after must be longer than ping_interval, which is not 0`, {
      code: "bad_liveness",
      hint: "leave both out for 3s and 8s",
    });
  }
  return {
    path: loaded.path,
    host: loaded.host,
    ...who,
    tokenOrigin: loaded.tokenOrigin ?? undefined,
    tokenInQuery: settings.token_in_query === true && isRegisteredHost(loaded),
    shell: settings.shell,
    workingDir: settings.working_dir,
    caFile: loaded.caFile,
    insecure: loaded.insecure,
    region: loaded.region,
    maxSessions: limits.maxSessions ?? settings.max_sessions ?? 64,
    sessionBuffer: settings.session_buffer ?? 1024 * 1024,
    memoryBudget: settings.memory_budget ?? 16 * 1024 * 1024,
    ringSize: settings.ring_size,
    ringBudget: settings.ring_budget,
    viewerGraceMs: settings.hold_time,
    pingMs,
    deadMs,
    idleMs: limits.idleMs ?? settings.idle_timeout,
    orphanMs: limits.orphanMs ?? settings.orphan_timeout,
    updateMs: loaded.autoUpdate ? (settings.update_interval ?? DAY_MS) : undefined,
  };
}

// --- internal ---

function pick(
  option: string | undefined,
  variable: string | undefined,
  setting: string | undefined,
): [string, Exclude<Origin, "default">] | null {
  if (option) return [option, "option"];
  if (variable) return [variable, "environment"];
  return setting ? [setting, "file"] : null;
}

function noJoinToken(token: string | undefined): string | undefined {
  return token && isJoinToken(token.trim()) ? undefined : token;
}

/** An address in one form: `https://Host:443/` and `https://host` are one server. */
function serverKey(url: string): string {
  return (URL.canParse(url) ? new URL(url).href : url).replace(/\/+$/, "");
}

function isOn(text: string | undefined): boolean {
  return /^(1|true|yes|on)$/i.test(text ?? "");
}

function notSetUp(code: string, message: string): RexecError {
  return new RexecError(message, {
    code,
    hint: "register it first: rexec-agent register (the token is asked for; or give --token, or REXEC_TOKEN)",
    exitCode: ExitCode.notSetUp,
  });
}
