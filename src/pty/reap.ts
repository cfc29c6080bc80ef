/** Reaps orphans that this process inherits as process 1 of a container, or as a subreaper. */
import { isTracked } from "./children.ts";
import { isSubreaper, libc, reapNow } from "./libc.ts";
import { listProcesses, type ProcessEntry } from "./procfs.ts";

/** Milliseconds between two looks at the processes. */
const SCAN_MS = 5_000;
/** Age at which a zombie counts as orphaned, milliseconds: Bun and node-pty reap theirs at once. */
const CONFIRM_MS = 500;

/** Whether this process inherits orphans. */
export function inheritsOrphans(): boolean {
  return process.pid === 1 || isSubreaper();
}

/**
 * Looks for inherited zombies now and every `everyMs` milliseconds, and reaps those that it finds twice and that are not in
 * the registry of children (`trackChild`). Does not keep the process alive. Call it only where `inheritsOrphans()`.
 *
 * @returns a function that stops it
 * @throws Error where bun:ffi cannot load libc: zombies then stay
 */
export function startReaper({ everyMs = SCAN_MS, confirmMs = CONFIRM_MS } = {}): () => void {
  libc();
  let timer: Timer;
  const next = (ms: number, suspects: ProcessEntry[]) => {
    timer = setTimeout(() => {
      const zombies = findAdoptedZombies();
      for (const zombie of zombies) if (suspects.some((seen) => isSame(seen, zombie))) reapNow(zombie.pid);
      const fresh = zombies.filter((zombie) => !suspects.some((seen) => isSame(seen, zombie)));
      next(fresh.length > 0 ? confirmMs : everyMs, fresh);
    }, ms);
    timer.unref();
  };
  next(0, []);
  return () => clearTimeout(timer);
}

function findAdoptedZombies(): ProcessEntry[] {
  return listProcesses().filter(
    ({ pid, ppid, state }) => state === "Z" && ppid === process.pid && !isTracked(pid),
  );
}

function isSame(a: ProcessEntry, b: ProcessEntry): boolean {
  return a.pid === b.pid && a.start === b.start;
}
