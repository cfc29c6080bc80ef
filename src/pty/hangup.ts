/** Ends a session as a closed terminal does, then by force; the same for all backends. */
import {
  catchesHangup,
  ignoresHangup,
  isAlive,
  listProcesses,
  type ProcessEntry,
  readProcess,
  signalProcess,
} from "./procfs.ts";
import type { PtyExit } from "./pty.ts";

/** Default time between SIGHUP and SIGKILL, milliseconds. */
export const GRACE_MS = 3_000;

/** Pause between two looks at the processes, milliseconds; it doubles up to the second number. */
const POLL_MS = [5, 100] as const;

/** The leader of a session, as its backend knows it. */
export interface Leader {
  /** As read from /proc right after the fork; null where it was gone by then. */
  readonly entry: ProcessEntry | null;
  readonly exited: Promise<PtyExit>;
  /** Whether `exited` has settled. */
  hasExited(): boolean;
}

/**
 * Ends the session of a leader that still runs: SIGHUP and SIGCONT to its processes, the master closed, SIGKILL to
 * the processes that are left after `graceMs`. SIGHUP is sent again to a process that started another program meanwhile: it
 * is lost where a shell's child takes it between fork and exec, or where a handler calls exec. Processes that ignore SIGHUP
 * (`nohup`) are left alone, except the leader. After the leader's own exit only the master is closed: background jobs stay,
 * as they do after a logout.
 *
 * @returns the leader's exit, once it has been reaped
 */
export async function hangUp(leader: Leader, closeMaster: () => void, graceMs: number): Promise<PtyExit> {
  await hasTerminal(leader);
  // The leader first, so that it does not see its jobs die and go on.
  const told = leader.hasExited() || leader.entry === null ? [] : [leader.entry, ...findMembers(leader, [])];
  for (const member of told) tell(member);
  closeMaster();
  await allGone(leader, told, graceMs);
  // More than one round, as a process may fork between the scan and the signal.
  for (let round = 0; round < 5; round++) {
    const rest = findMembers(leader, told).filter(isAlive);
    if (leader.entry !== null && !leader.hasExited() && isAlive(leader.entry)) rest.push(leader.entry);
    if (rest.length === 0) break;
    for (const member of rest) signalProcess(member, "SIGKILL");
    await Bun.sleep(POLL_MS[0]);
  }
  return leader.exited;
}

/**
 * The processes of the session that a hang-up is for, without the leader. The kernel does not use a session id again while
 * the leader is not reaped or a member lives: without such a witness no process with that id is ours.
 */
function findMembers(leader: Leader, known: readonly ProcessEntry[]): ProcessEntry[] {
  const { entry } = leader;
  if (entry === null) return [];
  const witnessed = readProcess(entry.pid)?.start === entry.start || known.some(isAlive);
  if (!witnessed) return [];
  return listProcesses().filter(
    ({ pid, session, state }) =>
      session === entry.pid && pid !== entry.pid && state !== "Z" && !ignoresHangup(pid),
  );
}

/**
 * Waits out the moment between fork and exec in which the child has no terminal yet: if the master closed then, it would
 * end with exit code 1. A program that has given up its terminal costs the whole wait.
 */
async function hasTerminal({ entry, hasExited }: Leader): Promise<void> {
  for (let turn = 0; turn < 10 && entry !== null && !hasExited(); turn++) {
    if (!isAlive(entry) || readProcess(entry.pid)?.tty !== 0) return;
    await Bun.sleep(POLL_MS[0]);
  }
}

function tell(member: ProcessEntry): void {
  signalProcess(member, "SIGHUP");
  signalProcess(member, "SIGCONT"); // a stopped process takes no signal before it runs again
}

/** Waits until the leader has been reaped and the members are gone, `ms` milliseconds at most. */
async function allGone(leader: Leader, members: readonly ProcessEntry[], ms: number): Promise<void> {
  const deadline = performance.now() + ms;
  let pause: number = POLL_MS[0];
  while (!leader.hasExited() || members.some(isAlive)) {
    const left = deadline - performance.now();
    if (left <= 0) return;
    await Bun.sleep(Math.min(pause, left));
    pause = Math.min(pause * 2, POLL_MS[1]);
    // A process with a handler is busy with the first; a second one would make an editor leave without saving.
    for (const member of members) {
      if (isAlive(member) && !ignoresHangup(member.pid) && !catchesHangup(member.pid)) tell(member);
    }
  }
}
