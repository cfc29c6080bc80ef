/** Ends a running agent, whoever runs it. */
import { unlinkSync } from "node:fs";
import { RexecError } from "../../lib/errors.ts";
import { isAlive, type ProcessEntry } from "../../pty/procfs.ts";
import type { Command } from "../service/recipe.ts";
import type { Run } from "../service/run.ts";
import type { FoundAgent } from "./find.ts";
import { scopeWords, type Unit, unitOf } from "./supervisor.ts";

/** How long a process may take to be gone after SIGKILL, ms. */
const KILL_MS = 5_000;
const LOOK_MS = 25;

/** `killed`: it did not end by itself in time. `unit`: its service manager ended it. */
export type Stopped = { how: "ended" | "killed"; pid: number } | { how: "unit"; pid: number; unit: Unit };

export interface StopRequest {
  agent: FoundAgent;
  /** How long it may take to hang up its shells, ms. */
  graceMs: number;
  /** The unit that runs it, where that was asked for before it ended. */
  unit?: Unit | null;
  /** May the unit of systemd be stopped? */
  service: boolean;
  run: Run;
}

/**
 * @throws RexecError `run_by_systemd` where only stopping the unit would help, `stop_failed`, `agent_forbidden`
 */
export async function stopAgent(request: StopRequest): Promise<Stopped> {
  const { agent, graceMs, service, run } = request;
  const { process: entry } = agent;
  if (!entry) {
    throw new RexecError("an agent runs, but which process it is cannot be told: is /proc there?", {
      code: "stop_failed",
    });
  }
  const unit = request.unit === undefined ? unitOf(entry.pid) : request.unit;
  if (unit) return stopUnit(unit, entry, service, run);
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

// --- internal ---

async function stopUnit(unit: Unit, entry: ProcessEntry, service: boolean, run: Run): Promise<Stopped> {
  const command: Command = ["systemctl", ...scopeWords(unit), "stop", unit.name];
  if (!service) {
    throw new RexecError(
      `systemd runs the agent (${unit.name}, pid ${entry.pid}), and would start it again`,
      {
        code: "run_by_systemd",
        hint: `stop the unit: ${unit.scope === "system" ? "sudo " : ""}${command.join(" ")}, or with this command and --service`,
      },
    );
  }
  const { ok, error } = await run(command);
  if (ok) return { how: "unit", pid: entry.pid, unit };
  throw new RexecError(`${command.join(" ")} failed: ${error}`, {
    code: "stop_failed",
    hint: process.getuid?.() === 0 || unit.scope === "user" ? undefined : "run this with sudo",
  });
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

/** Another's process tells nobody of its end: it is looked for. */
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
