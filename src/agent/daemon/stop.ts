/** Ends a running agent, of any account and service manager. */
import { unlinkSync } from "node:fs";
import { RexecError } from "../../lib/errors.ts";
import { isAlive, type ProcessEntry } from "../../pty/procfs.ts";
import type { Run } from "../service/run.ts";
import { asOwnerOf } from "../trust/as-owner.ts";
import { asRoot, isRootAtHand } from "../trust/identity.ts";
import type { FoundAgent } from "./find.ts";
import type { Keeper } from "./keeper.ts";

/** How long a process may take to be gone after SIGKILL, ms. */
const KILL_MS = 5_000;
const LOOK_MS = 25;

/** `killed`: it did not end by itself in time. `service`: its service manager ended it. */
export type Stopped =
  | { how: "ended" | "killed"; pid: number }
  | { how: "service"; pid: number; keeper: Keeper };

/** The agent to be stopped, and how. */
export interface StopRequest {
  agent: FoundAgent;
  /** How long it may take to hang up its shells, ms. */
  graceMs: number;
  /** What would start it again; null where nothing does. */
  keeper: Keeper | null;
  /** Try it also without the rights: the service manager may grant them by itself (polkit). */
  insist?: boolean;
  run: Run;
}

/**
 * @throws RexecError `run_by_SERVICE_MANAGER` with the command that stops the service, where only root may;
 * `stop_failed`, `agent_forbidden`
 */
export async function stopAgent(request: StopRequest): Promise<Stopped> {
  const { agent, graceMs, keeper } = request;
  const { process: entry } = agent;
  if (!entry) {
    throw new RexecError("an agent runs, but which process it is cannot be told: is /proc there?", {
      code: "stop_failed",
    });
  }
  if (keeper) {
    await stopService(request, keeper, entry.pid);
    return { how: "service", pid: entry.pid, keeper };
  }
  // Whose process that is only its pid file and its socket say: no other account's is ended because of them.
  return asOwnerOf(agent.place.pid, () => end(agent, entry, graceMs));
}

/**
 * Stops the service that keeps an agent.
 * @param pid of the agent; null where it is between two tries
 * @throws as `stopAgent`
 */
export async function stopService(
  { run, insist = false }: Pick<StopRequest, "run" | "insist">,
  keeper: Keeper,
  pid: number | null,
): Promise<void> {
  const { manager, name, scope, stop } = keeper;
  const mayStop = scope === "user" || isRootAtHand();
  if (!mayStop && !insist) {
    const which = pid === null ? name : `${name}, pid ${pid}`;
    throw new RexecError(`${manager} runs the agent (${which}), and would start it again`, {
      code: `run_by_${manager}`,
      hint: `stop the service: sudo ${stop.join(" ")}`,
    });
  }
  const { ok, error } = scope === "user" ? await run(stop) : await asRoot(() => run(stop));
  if (ok) return;
  throw new RexecError(`${stop.join(" ")} failed: ${error}`, {
    code: "stop_failed",
    hint: mayStop ? undefined : "run this with sudo",
  });
}

// --- internal ---

async function end(agent: FoundAgent, entry: ProcessEntry, graceMs: number): Promise<Stopped> {
  send(entry, "SIGTERM");
  if (await isGone(entry, graceMs)) return { how: "ended", pid: entry.pid };
  send(entry, "SIGKILL");
  if (!(await isGone(entry, KILL_MS))) {
    throw new RexecError(`process ${entry.pid} is still there after SIGKILL`, {
      code: "stop_failed",
      hint: `it hangs in the kernel (a dead disk or network file system?): ps -o pid,stat,wchan -p ${entry.pid}`,
    });
  }
  // It could not do that itself.
  for (const path of [agent.place.socket, agent.place.pid]) removeQuietly(path);
  return { how: "killed", pid: entry.pid };
}

function send(entry: ProcessEntry, signal: NodeJS.Signals): void {
  if (!isAlive(entry)) return;
  try {
    process.kill(entry.pid, signal);
  } catch (cause) {
    if (!isAlive(entry)) return;
    throw new RexecError(`may not end process ${entry.pid}: it is another account's`, {
      code: "agent_forbidden",
      hint: "run this as the account that the agent runs as (sudo)",
      cause,
    });
  }
}

/** The end of a process that is no child of ours is not told: it is looked for. */
async function isGone(entry: ProcessEntry, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (isAlive(entry)) {
    if (performance.now() >= deadline) return false;
    await Bun.sleep(LOOK_MS);
  }
  return true;
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone, or will be found dead.
  }
}
