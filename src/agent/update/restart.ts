/** Makes a running agent run the executable that is in its place now, and sees whether it fares well. */
import { readFileSync, statSync } from "node:fs";
import { accountOf } from "../../lib/account.ts";
import { askAgent } from "../control/client.ts";
import type { AgentStatus } from "../control/messages.ts";
import { type RuntimePlace, runtimePlaces } from "../control/place.ts";
import { type FoundAgent, findAgent } from "../daemon/find.ts";
import { stopAgent } from "../daemon/stop.ts";
import { scopeWords, type Unit, unitOf } from "../daemon/supervisor.ts";
import type { Run } from "../service/run.ts";
import { SERVICE } from "../service/spec.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** An agent as it ran before: enough to start it again when it is gone. */
export interface KnownAgent {
  readonly found: FoundAgent;
  readonly pid: number;
  readonly status: AgentStatus | null;
  readonly unit: Unit | null;
  /** Its arguments behind the program's name, and its environment. */
  readonly args: readonly string[];
  readonly env: Environment;
}

/** `by-hand`: nothing here can restart it without ending it for good. `put-off`: people's shells would have ended. */
export type Restarted = "in-place" | "unit" | "daemon" | "by-hand" | "put-off";

export interface RestartRequest {
  /** That it is to run now. */
  executable: string;
  config: string;
  run: Run;
  sparesShells?: boolean | undefined;
}

const POLL_MS = 100;
/** How long one may take to replace itself in place, ms; its answer comes before. */
const ASK_MS = 10_000;
/** How long one in the background may take to end, ms. */
const GRACE_MS = 10_000;

/** The agent that runs with that configuration, whoever's it is; null where none runs. */
export async function knownAgent(config: string, env: Environment): Promise<KnownAgent | null> {
  const found = await findAgent(placesOf(config, env));
  const pid = found?.process?.pid ?? found?.status?.pid;
  if (!found || !pid) return null;
  return {
    found,
    pid,
    status: found.status,
    unit: unitOf(pid),
    args: procList(pid, "cmdline").slice(1),
    env: Object.fromEntries(procList(pid, "environ").map(pairOf)),
  };
}

/** Whether the process runs that very file, whatever it is called now. */
export function runsFile(pid: number, executable: string): boolean {
  try {
    const [one, other] = [statSync(`/proc/${pid}/exe`), statSync(executable)];
    return one.dev === other.dev && one.ino === other.ino;
  } catch {
    return false;
  }
}

/**
 * In place where the agent can do that, since its shells live on then; else by whoever runs it.
 * @param agent as it was when it was well
 * @param sparesShells rather not at all than at the cost of open shells
 * @throws RexecError of `stopAgent`
 */
export async function restartAgent(
  agent: KnownAgent,
  { executable, config, run, sparesShells = false }: RestartRequest,
): Promise<Restarted> {
  const now = await findAgent(placesOf(config, agent.env, agent)).catch(() => null);
  if (now && (await restartInPlace(now.place, executable))) return "in-place";
  if (sparesShells && (now?.status?.sessions ?? 0) > 0) return "put-off";
  if (agent.unit) {
    await run(["systemctl", ...scopeWords(agent.unit), "--no-block", "restart", agent.unit.name]);
    return "unit";
  }
  if (agent.status?.run === "openrc") {
    await run(["rc-service", SERVICE, "restart"]);
    return "unit";
  }
  if (agent.status?.run !== "daemon") return "by-hand";
  if (now) await stopAgent({ agent: now, graceMs: GRACE_MS, service: false, run });
  const child = Bun.spawn([executable, ...agent.args, "--daemon"], {
    cwd: "/",
    env: Object.fromEntries(Object.entries(agent.env).filter(([name]) => !name.startsWith("REXEC_DAEMON_"))),
    stdio: ["ignore", "ignore", "ignore"],
  });
  // It returns when the agent is connected; whether it ever is, is not its business here.
  child.unref();
  return "daemon";
}

/** How a restarted agent fares. */
export type Fared = { ok: true } | { ok: false; reason: string };

/**
 * Waits until the agent of that configuration runs `executable` and is connected.
 * @param mustConnect false: that it runs is enough
 * @param isProved it has said so itself, whatever became of it since
 */
export async function awaitAgent(
  { executable, config, env }: { executable: string; config: string; env: Environment },
  {
    mustConnect,
    limitMs,
    isProved = () => false,
  }: { mustConnect: boolean; limitMs: number; isProved?: () => boolean },
): Promise<Fared> {
  const deadline = performance.now() + limitMs;
  let reason = "it did not start";
  for (;;) {
    if (isProved()) return { ok: true };
    const status = await statusOf(config, env);
    if (status && runsFile(status.pid, executable)) {
      if (status.connection === "connected" || !mustConnect) return { ok: true };
      reason = `it could not connect: ${status.last_error?.message ?? "no word of why"}`;
    }
    if (performance.now() > deadline) return { ok: false, reason };
    await Bun.sleep(POLL_MS);
  }
}

// --- internal ---

async function statusOf(config: string, env: Environment): Promise<AgentStatus | null> {
  try {
    return (await findAgent(placesOf(config, env)))?.status ?? null;
  } catch {
    return null;
  }
}

async function restartInPlace(place: RuntimePlace, binary: string): Promise<boolean> {
  try {
    const answer = await askAgent(place, { do: "restart", binary }, { timeoutMs: ASK_MS });
    return answer?.ok === true;
  } catch {
    return false; // it hangs, or is of another version
  }
}

/** Root also looks where the configuration's owner would have the agent, who is the one that a service runs as. */
function placesOf(config: string, env: Environment, known?: KnownAgent): RuntimePlace[] {
  const uid = process.getuid?.() ?? 0;
  const own = runtimePlaces(config, env);
  const owner = uid === 0 ? (statSync(config, { throwIfNoEntry: false })?.uid ?? 0) : uid;
  const theirs = owner === uid ? [] : runtimePlaces(config, { HOME: accountOf(owner).home }, owner);
  return [...(known ? [known.found.place] : []), ...own, ...theirs];
}

function procList(pid: number, file: "cmdline" | "environ"): string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0").slice(0, -1);
  } catch {
    return []; // another account's
  }
}

function pairOf(entry: string): [string, string] {
  const at = entry.indexOf("=");
  return [entry.slice(0, at), entry.slice(at + 1)];
}
