/**
 * The soft limit of open files: raised for this process, which serves many sessions, and unchanged for the programs that
 * it starts. (The build disables the runtime's own raising: `scripts/own-limits.ts`. In a run from source the original
 * limit is lost.)
 */
import { libc } from "./libc.ts";

/** The same on x86-64 and arm64. */
const RLIMIT_NOFILE = 7;
/** The most that Node and Bun raise it to: beyond, tables of descriptors become a burden. */
const ENOUGH = 1n << 20n;

interface Limits {
  soft: bigint;
  hard: bigint;
}

/** The limits that this process was started with; null until they are raised. */
let before: Limits | null = null;
let raised: Limits | null = null;

/** Raises the soft limit to the hard one. A limit that cannot be raised stays. */
export function raiseOpenFiles(): void {
  if (before !== null) return;
  const limits = readLimits();
  if (limits === null || limits.soft >= limits.hard || limits.soft >= ENOUGH) return;
  const more = { soft: limits.hard < ENOUGH ? limits.hard : ENOUGH, hard: limits.hard };
  if (!setLimits(more)) return;
  before = limits;
  raised = more;
}

/**
 * Runs `start`, which forks before it returns or replaces this process, under the original limit. No other code of ours
 * runs meanwhile. A thread of the runtime that opens a file in that instant could fail if more files are open than that
 * limit: then the limit stays raised, and the child gets the raised one.
 */
export function withOpenFilesAsBefore<Result>(start: () => Result): Result {
  if (before === null || raised === null || !hasRoomBelow(before.soft)) return start();
  setLimits(before);
  try {
    return start();
  } finally {
    setLimits(raised);
  }
}

// --- internal ---

/** Descriptors that the start of a program takes for a moment: a terminal or three pipes, and the runtime's own. */
const SPARE = 24n;
const F_DUPFD_CLOEXEC = 1030;

/** Whether a descriptor that is opened now, and some more, have numbers below the limit. */
function hasRoomBelow(limit: bigint): boolean {
  const { fcntl, close } = libc();
  const free = fcntl(0, F_DUPFD_CLOEXEC, 3);
  if (free < 0) return true; // without a stdin
  close(free);
  return BigInt(free) + SPARE < limit;
}

function readLimits(): Limits | null {
  const both = new BigUint64Array(2);
  try {
    if (libc().getrlimit(RLIMIT_NOFILE, both) !== 0) return null;
  } catch {
    return null; // without bun:ffi
  }
  const [soft = 0n, hard = 0n] = both;
  return { soft, hard };
}

function setLimits({ soft, hard }: Limits): boolean {
  return libc().setrlimit(RLIMIT_NOFILE, BigUint64Array.of(soft, hard)) === 0;
}
