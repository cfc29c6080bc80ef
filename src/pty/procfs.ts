/** Processes in /proc: enough to find the members of a session and to tell a recycled pid. */
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";

/** One process. `pid` and `start` together identify it for good. */
export interface ProcessEntry {
  pid: number;
  /** One letter, such as `S` for sleeping or `Z` for a zombie. */
  state: string;
  ppid: number;
  /** The session's id: its leader's pid. */
  session: number;
  /** Device number of its controlling terminal, 0 for none. */
  tty: number;
  /** Start time in clock ticks since boot. */
  start: number;
}

/** The process, or null where there is none (any more). */
export function readProcess(pid: number): ProcessEntry | null {
  const text = readProcFile(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => Number(fields[number - 3]); // numbered as in proc_pid_stat(5)
  return {
    pid,
    state: fields[0] ?? "?",
    ppid: field(4),
    session: field(6),
    tty: field(7),
    start: field(22),
  };
}

/** All processes of this PID namespace. About 15 µs each. */
export function listProcesses(): ProcessEntry[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((entry) => entry !== null);
}

/** Whether the entry still is the process it was, and not yet a zombie. */
export function isAlive(entry: ProcessEntry): boolean {
  const now = readProcess(entry.pid);
  return now !== null && now.start === entry.start && now.state !== "Z" && now.state !== "X";
}

/** Whether the process ignores SIGHUP, as everything under `nohup` does. */
export function ignoresHangup(pid: number): boolean {
  return hasHangupIn("SigIgn", pid);
}

/** Whether the process handles SIGHUP itself, as shells and editors do. */
export function catchesHangup(pid: number): boolean {
  return hasHangupIn("SigCgt", pid);
}

/** Sends the signal if the entry still is that process; a process that is gone is no error. */
export function signalProcess(entry: ProcessEntry, signal: NodeJS.Signals): void {
  if (!isAlive(entry)) return;
  try {
    process.kill(entry.pid, signal);
  } catch {
    // Gone since (ESRCH), or it has become another user's by a setuid program (EPERM): neither is ours to end.
  }
}

/** N of the terminal /dev/pts/N with this device number, or null where it is none of a PTY. */
export function slaveNumber(tty: number): number | null {
  const major = (tty >> 8) & 0xfff;
  const minor = (tty & 0xff) | ((tty >>> 12) & 0xfff00);
  // Unix98 slaves have the majors 136 to 143 (the kernel's devices.txt), and are numbered on through them.
  return major >= 136 && major <= 143 ? (major - 136) * (1 << 20) + minor : null;
}

function hasHangupIn(set: "SigIgn" | "SigCgt", pid: number): boolean {
  const mask = readProcFile(`/proc/${pid}/status`)?.match(new RegExp(`^${set}:\\s*([0-9a-f]+)$`, "m"))?.[1];
  if (mask === undefined) return false;
  return (BigInt(`0x${mask}`) & (1n << BigInt(constants.signals.SIGHUP - 1))) !== 0n;
}

/** The file's text, or null where the process is gone: ENOENT at opening, ESRCH at reading. */
function readProcFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
