/** All checks of `rexec-agent doctor`: those that do not depend on each other run side by side. */

import { askVersion } from "../../lib/ask-version.ts";
import { messageOf, RexecError } from "../../lib/errors.ts";
import { after, type Finding, type Step, skipped, step } from "../../lib/finding.ts";
import { resolveEndpoint } from "../../lib/net.ts";
import type { LoadedConfig } from "../config/config.ts";
import { tryDisk, tryPermissions, tryShell } from "./machine.ts";
import { type Asker, judgeClock, tryAgent, tryToken } from "./server.ts";
import { type Running, tryService } from "./service.ts";
import { tryWebSocket } from "./socket.ts";
import { tryWay } from "./way.ts";

export type { Finding } from "../../lib/finding.ts";

/** What is examined. */
export interface Subject {
  /** Registered or not; or why the configuration cannot be used. */
  config: LoadedConfig | Error;
  /** Where the configuration is, or would be. */
  configPath: string;
  /** The executable that runs. */
  program: string;
  /** The server where the configuration names none. */
  host: string;
  env: Readonly<Record<string, string | undefined>>;
}

/** Starts every check; they come in the order in which they are to be read, each bounded in time. */
export function examine(subject: Subject): Promise<Finding>[] {
  const { config, configPath, program, env } = subject;
  const loaded = config instanceof Error ? null : config;
  const settings = loaded?.file?.settings;
  const local = [
    step("config", () => judgeConfig(config, configPath)),
    step("permissions", () => tryPermissions(configPath, program)),
    step("terminal", (signal) => tryShell(settings?.shell, env, signal)),
    step("disk", () => tryDisk(configPath, program, env)),
  ];
  const checked = originOf(loaded?.host ?? subject.host);
  const service = step("service", () => tryService(configPath, env, checked));
  return [...local, ...remote(subject, loaded, service), service].map(async (made) => (await made).finding);
}

// --- internal ---

function judgeConfig(config: LoadedConfig | Error, path: string) {
  if (config instanceof Error) throw config;
  const id = config.file?.settings.agent_id;
  const home = config.file?.settings.api_url ?? config.host;
  const other = originOf(home) === originOf(config.host) ? "" : `; checked here is ${config.host}`;
  const [odd] = config.file?.unknownKeys ?? [];
  if (id && config.token) {
    const detail = `${path}: agent ${id} at ${home}${other}`;
    return odd === undefined ? { detail } : { verdict: "warning" as const, detail, hint: odd };
  }
  const what = !config.file ? `there is no ${path}` : !id ? `${path} names no agent_id` : "no token";
  return {
    verdict: "warning" as const,
    detail: `${what}: this machine is not registered`,
    hint: "register it: rexec-agent register",
  };
}

function remote(
  subject: Subject,
  loaded: LoadedConfig | null,
  service: Promise<Step<Running>>,
): Promise<Step<unknown>>[] {
  let endpoint: ReturnType<typeof resolveEndpoint>;
  try {
    endpoint = resolveEndpoint({
      url: loaded?.host ?? subject.host,
      insecure: loaded?.insecure ?? false,
      caFile: loaded?.caFile ?? subject.env.REXEC_CA_FILE,
      env: subject.env,
    });
  } catch (error) {
    const why = "not tried: the address will not do";
    return [
      step("address", () => {
        throw error instanceof RexecError ? error : new Error(messageOf(error));
      }),
      ...CHAIN.map((check) => Promise.resolve(skipped(check, why))),
    ];
  }
  const asker = {
    endpoint,
    token: loaded?.token ?? null,
    agentId: loaded?.file?.settings.agent_id ?? null,
  };
  const { dns, tcp, proxy, tls } = tryWay(endpoint);
  const http = after(tls, "http", (_, signal) => askVersion(endpoint, signal));
  const clock = after(http, "clock", judgeClock);
  const token = after(http, "token", (_, signal) => tryToken(asker, signal));
  const agent = after(token, "agent", (_, signal) => tryAgent(asker, signal));
  const socket = socketStep(http, agent, service, asker);
  return [dns, tcp, proxy, tls, http, clock, token, agent, socket];
}

/** To compare addresses by; what is none stays as it is. */
function originOf(text: string): string {
  return URL.canParse(text) ? new URL(text).origin : text;
}

/**
 * An agent that is online has its socket open: another one would supersede it. It may have reached the server by another
 * address than the one that is checked, which then says nothing of this one. Nor is one dialled in the place of an
 * agent that runs and is cut off, for the server would take its sessions for ended.
 */
async function socketStep(
  http: Promise<Step<unknown>>,
  agent: Promise<Step<{ online: boolean }>>,
  service: Promise<Step<Running>>,
  { endpoint, token, agentId }: Asker,
): Promise<Step<true>> {
  const known = (await agent).value;
  const running = (await service).value?.status ?? null;
  return after(http, "websocket", (_, signal) => {
    const isElsewhere = running !== null && originOf(running.host) !== endpoint.base.origin;
    if (known?.online && !isElsewhere)
      return { detail: "open: the agent is connected", value: true as const };
    const who = known && !known.online && !running && token && agentId ? { token, agentId } : null;
    return tryWebSocket(endpoint, who, signal);
  });
}

const CHAIN = ["dns", "tcp", "proxy", "tls", "http", "clock", "token", "agent", "websocket"];
