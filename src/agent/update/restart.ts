/**
 * Makes a running agent run the executable that is in its place now, and sees whether it fares well. Root does it as the
 * agent's account: what that one's process was started with decides what is started again.
 */
import { readFileSync, statSync } from "node:fs";
import { askAgent } from "../control/client.ts";
import type { AgentStatus } from "../control/messages.ts";
import { homeOf, type RuntimePlace, runtimePlaces } from "../control/place.ts";
import { type FoundAgent, findAgent } from "../daemon/find.ts";
import { type Keeper, keeperOf } from "../daemon/keeper.ts";
import { stopAgent } from "../daemon/stop.ts";
import { type Run, runner } from "../service/run.ts";
import { accountFor, asOwnerOf } from "../trust/as-owner.ts";
import { actingUid, environmentOf } from "../trust/identity.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** An agent as it ran before: enough to start it again when it is gone. */
export interface KnownAgent {
  readonly found: FoundAgent;
  readonly pid: number;
  readonly status: AgentStatus | null;
  /** The service that runs it. */
  readonly keeper: Keeper | null;
  /** Its arguments behind the program's name, and its environment. */
  readonly args: readonly string[];
  readonly env: Environment;
}

/** `by-hand`: nothing here can restart it without ending it for good. `put-off`: people's shells would have ended. */
export type Restarted = "in-place" | "unit" | "daemon" | "by-hand" | "put-off";

/** The agent that is to run another executable. */
export interface RestartRequest {
  /** That it is to run now. */
  executable: string;
  config: string;
  env: Environment;
  run: Run;
  sparesShells?: boolean | undefined;
}

const POLL_MS = 100;
/** How long one may take to replace itself in place, ms; its answer comes before. */
const ASK_MS = 10_000;
/** How long one in the background may take to end, ms. */
const GRACE_MS = 10_000;

/** The agent that runs with that configuration, of any account; null where none runs. */
export async function knownAgent(config: string, env: Environment): Promise<KnownAgent | null> {
  const theirs = environmentFor(config, env);
  const known = await asOwnerOf(config, async () => {
    const found = await findAgent(placesOf(config, theirs));
    const pid = found?.process?.pid ?? found?.status?.pid;
    if (!found || !pid) return null;
    const args = procList(pid, "cmdline").slice(1);
    return {
      ...{ found, pid, args },
      status: found.status,
      // Out of sight where its groups are others than those of the account's own entry.
      env: { ...theirs, ...Object.fromEntries(procList(pid, "environ").map(pairOf)) },
    };
  });
  return known && { ...known, keeper: await keeperOf(known.found, config, runner(theirs)) };
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
 * In place where the agent can do that, since its shells live on then; else by its service manager.
 * @param agent as it was when it was well
 * @param sparesShells rather not at all than at the cost of open shells
 * @throws RexecError of `stopAgent`
 */
export async function restartAgent(
  agent: KnownAgent,
  { executable, config, env, run, sparesShells = false }: RestartRequest,
): Promise<Restarted> {
  const { keeper } = agent;
  const how = await asOwnerOf(config, async () => {
    const now = await findAgent(placesOf(config, agent.env, agent)).catch(() => null);
    if (now && (await restartInPlace(now.place, executable))) return "in-place";
    if (sparesShells && (now?.status?.sessions ?? 0) > 0) return "put-off";
    if (keeper) return "unit";
    if (agent.status?.run !== "daemon") return "by-hand";
    if (now) await stopAgent({ agent: now, graceMs: GRACE_MS, keeper: null, run });
    startAgain(agent, executable);
    return "daemon";
  });
  if (how !== "unit" || !keeper) return how;
  if (keeper.scope === "system") await run(keeper.restart);
  else {
    const theirs = environmentFor(config, env);
    await asOwnerOf(config, () => runner(theirs)(keeper.restart));
  }
  return how;
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

/** The environment of the agent's account, where root asks in its place. */
function environmentFor(config: string, env: Environment): Environment {
  const owner = accountFor(config);
  return owner === actingUid() ? env : { PATH: env.PATH, ...environmentOf(owner, homeOf(config, owner)) };
}

function startAgain({ args, env }: KnownAgent, executable: string): void {
  const child = Bun.spawn([executable, ...args, "--daemon"], {
    cwd: "/",
    env: Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("REXEC_DAEMON_"))),
    stdio: ["ignore", "ignore", "ignore"],
  });
  // It returns when the agent is connected; whether it ever is, is not its business here.
  child.unref();
}

async function statusOf(config: string, env: Environment): Promise<AgentStatus | null> {
  try {
    const theirs = environmentFor(config, env);
    const found = await asOwnerOf(config, () => findAgent(placesOf(config, theirs)));
    return found?.status ?? null;
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

/** @param known its place may be another one than it would take now */
function placesOf(config: string, env: Environment, known?: KnownAgent): RuntimePlace[] {
  return [...(known ? [known.found.place] : []), ...runtimePlaces(config, env)];
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
