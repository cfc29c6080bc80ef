/**
 * One agent per configuration: a lock on its pid file. The kernel gives it up with the process, however that ended, so
 * a file that was left behind, or whose number belongs to another program by now, counts for nothing.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { errnoOf, RexecError } from "../../lib/errors.ts";
import { setCloseOnExec, tryLock } from "../../pty/libc.ts";
import { type ProcessEntry, readProcess } from "../../pty/procfs.ts";
import type { RuntimePlace } from "../control/place.ts";
import { openOwn } from "../trust/own-file.ts";
import { sameFile } from "./same-file.ts";

/** Held until it is disposed of, or the process ends. */
export interface RuntimeLock extends Disposable {
  /**
   * Lets the lock outlive an execve of this process (true), or not (false). The new program finds it again, by
   * `takeLock`, as its own.
   */
  keepOverExec(keep: boolean): void;
  /** False where the file was removed or replaced by others. */
  isThere(): boolean;
}

/**
 * @throws RexecError `already_running`, or the system's error where the file cannot be made
 */
export async function takeLock(place: Pick<RuntimePlace, "pid">): Promise<RuntimeLock> {
  for (let attempt = 1; ; attempt += 1) {
    const fd = inherited(place.pid) ?? openOwn(place.pid, constants.O_RDWR | constants.O_CREAT);
    // Another process may have removed it between our opening and locking it.
    if (tryLock(fd, "exclusive") && sameFile(fd, place.pid) === "same") return held(fd, place.pid);
    closeSync(fd);
    // A reader (`lockHolder`) has it for a moment; an agent that ends takes the file away.
    if (attempt < ATTEMPTS) await Bun.sleep(PAUSE_MS);
    else throw alreadyRunning(place);
  }
}

/**
 * Whether an agent has the lock of that place, and which process it is; null where none has it.
 * @throws RexecError `untrusted_file` where that pid file is another account's
 */
export function lockHolder(place: Pick<RuntimePlace, "pid">): { process: ProcessEntry | null } | null {
  const fd = openQuietly(place.pid);
  if (fd === null) return null;
  try {
    if (tryLock(fd, "shared")) return null;
    const text = new Uint8Array(PID_BYTES);
    const pid = Number.parseInt(
      Buffer.from(text.subarray(0, readSync(fd, text, 0, PID_BYTES, 0))).toString(),
      10,
    );
    // Where the disk was full the file is empty.
    return { process: readProcess(pid > 0 ? pid : (pidFromKernel(fd) ?? 0)) };
  } finally {
    closeSync(fd);
  }
}

// --- internal ---

const ATTEMPTS = 6;
const PAUSE_MS = 40;
/** More than a process's number has digits. */
const PID_BYTES = 32;

function held(fd: number, path: string): RuntimeLock {
  setCloseOnExec(fd, true);
  try {
    ftruncateSync(fd, 0);
    writeSync(fd, `${process.pid}\n`, 0);
  } catch {
    // A full disk: the lock is what counts, and the kernel knows whose it is.
  }
  return {
    keepOverExec: (keep) => setCloseOnExec(fd, !keep),
    isThere: () => sameFile(fd, path) === "same",
    [Symbol.dispose]() {
      // Before the lock is given up: afterwards it may be another agent's.
      if (sameFile(fd, path) === "same") removeQuietly(path);
      closeSync(fd);
    },
  };
}

function alreadyRunning(place: Pick<RuntimePlace, "pid">): RexecError {
  const pid = lockHolder(place)?.process?.pid;
  return new RexecError(`an agent with this configuration runs already${pid ? ` (pid ${pid})` : ""}`, {
    code: "already_running",
    hint: "rexec-agent status shows it, rexec-agent stop ends it",
  });
}

/** The descriptor of a lock that came along through an execve: the file has our own number then. */
function inherited(path: string): number | null {
  try {
    if (Number.parseInt(readFileSync(path, "utf8"), 10) !== process.pid) return null;
    const { dev, ino } = statSync(path);
    for (const name of readdirSync("/proc/self/fd")) {
      const stat = statQuietly(Number(name));
      if (stat?.dev === dev && stat.ino === ino) return Number(name);
    }
    return null;
  } catch {
    return null;
  }
}

/** proc_locks(5): `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`, device numbers in hexadecimal. */
function pidFromKernel(fd: number): number | null {
  const { ino } = fstatSync(fd);
  const pattern = new RegExp(`FLOCK\\s+ADVISORY\\s+WRITE (\\d+) [0-9a-f]+:[0-9a-f]+:${ino} `);
  try {
    return Number(pattern.exec(readFileSync("/proc/locks", "utf8"))?.[1] ?? 0) || null;
  } catch {
    return null;
  }
}

function openQuietly(path: string): number | null {
  try {
    return openOwn(path, constants.O_RDONLY);
  } catch (error) {
    if (errnoOf(error) === "untrusted_file") throw error;
    return null; // there is none, or it is out of reach
  }
}

function statQuietly(fd: number) {
  try {
    return fstatSync(fd);
  } catch {
    return null; // the listing's own descriptor
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // A read-only file system: the next one finds it unlocked.
  }
}
