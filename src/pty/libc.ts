/** The few libc calls that Bun has no API for, through bun:ffi. */
import { dlopen, FFIType, read } from "bun:ffi";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { constants } from "node:os";

const F_SETFD = 2;
const FD_CLOEXEC = 1;
const WNOHANG = 1;
const PR_GET_CHILD_SUBREAPER = 37;
/** tcflow actions: suspend and restart output. */
const TCOOFF = 0;
const TCOON = 1;

/** More than struct termios has. */
const TERMIOS_BYTES = 128;

const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const F_DUPFD_CLOEXEC = 1030;
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
/** Gives the number of a master's pseudo-terminal: _IOR('T', 0x30, unsigned int), the same on x86-64 and arm64. */
const TIOCGPTN = 0x80045430n;
const TIOCSWINSZ = 0x5414n;

let memo: ReturnType<typeof open> | null = null;
let path: string | null = null;

/** Whether this process runs on musl: read from its own mappings, since a glibc system can have musl installed. */
export function isMusl(): boolean {
  return /musl/.test(libcPath());
}

/** Sets or clears FD_CLOEXEC. @throws Error where the descriptor is not open. */
export function setCloseOnExec(fd: number, on: boolean): void {
  if (libc().fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) !== 0) throw new Error(`fcntl(${fd}, F_SETFD) failed`);
}

/** A duplicate of the descriptor that no child inherits. @throws Error where it is not open, or none is free. */
export function duplicate(fd: number): number {
  const copy = libc().fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw new Error(`fcntl(${fd}, F_DUPFD_CLOEXEC) failed`);
  return copy;
}

/** Makes `target` a second name of `fd`, closing what it was before. @throws Error where `fd` is not open. */
export function redirect(fd: number, target: number): void {
  if (libc().dup2(fd, target) < 0) throw new Error(`dup2(${fd}, ${target}) failed`);
}

/**
 * flock(2) without waiting; false where another open file has the lock.
 * @throws Error where the file system has no locks (some network ones)
 */
export function tryLock(fd: number, kind: "shared" | "exclusive"): boolean {
  if (libc().flock(fd, (kind === "shared" ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return true;
  const why = errno();
  if (why === constants.errno.EAGAIN) return false;
  throw new Error(`the file system gives no lock (errno ${why})`);
}

/** The errno of the last failed call; 0 where it is not known. */
export function errno(): number {
  const place = libc().__errno_location();
  return place === null ? 0 : read.i32(place);
}

/** N of the /dev/pts/N that this master belongs to, or null where it is not a master. */
export function ptyNumber(fd: number): number | null {
  const answer = new Int32Array(1);
  return libc().ioctl(fd, TIOCGPTN, answer) === 0 ? (answer[0] ?? null) : null;
}

/** Reaps the child `pid` if it is a zombie, without waiting. @returns whether it did; the status is dropped */
export function reapNow(pid: number): boolean {
  return libc().waitpid(pid, null, WNOHANG) === pid;
}

/** Reaps the child `pid` without waiting. @returns its wait status; `none` for a pid that is no child (any more) */
export function waitNow(pid: number): number | "runs" | "none" {
  const status = new Int32Array(1);
  const found = libc().waitpid(pid, status, WNOHANG);
  if (found === 0) return "runs";
  return found === pid ? (status[0] ?? 0) : "none";
}

/** Sets the size of a terminal by its master. */
export function setTerminalSize(fd: number, cols: number, rows: number): void {
  libc().ioctl(fd, TIOCSWINSZ, Uint16Array.of(rows, cols, 0, 0));
}

/** Sets O_NONBLOCK on a pipe or terminal. */
export function setNonBlocking(fd: number): void {
  // No other flag that can be changed is in use; the access mode is fixed.
  libc().fcntl(fd, F_SETFL, O_NONBLOCK);
}

/** Whether the terminal that `fd` was open on is gone: hung up, closed by its emulator. */
export function isHungUp(fd: number): boolean {
  return libc().tcgetattr(fd, new Uint8Array(TERMIOS_BYTES)) !== 0;
}

/** Whether orphaned descendants of this process become its children (PR_SET_CHILD_SUBREAPER). */
export function isSubreaper(): boolean {
  const flag = new Int32Array(1);
  return libc().prctl(PR_GET_CHILD_SUBREAPER, flag, 0, 0, 0) === 0 && flag[0] === 1;
}

/** Suspends or restarts the output of the terminal that `fd` (its slave) is open on; says whether it could. */
export function suspendOutput(fd: number, suspended: boolean): boolean {
  return libc().tcflow(fd, suspended ? TCOOFF : TCOON) === 0;
}

/**
 * Blanks variables in the memory that /proc/PID/environ shows, even to root. Read their values before: this process loses
 * them too.
 */
export function blankVariables(names: readonly string[]): void {
  const { getenv, strlen, memset } = libc();
  for (const name of names) {
    const value = getenv(Buffer.from(`${name}\0`));
    if (value !== null) memset(value, 0, strlen(value));
  }
}

/** Descriptors of this process's event loops; empty without /proc. */
export function eventLoops(): number[] {
  try {
    return readdirSync("/proc/self/fd")
      .map(Number)
      .filter((fd) => linkOf(fd) === "anon_inode:[eventpoll]");
  } catch {
    return [];
  }
}

/** Runs with a variable in the C environment, which the runtime reads; `process.env` does not show it. */
export function withVariable<T>(name: string, value: string, run: () => T): T {
  const { [name]: before } = process.env;
  const text = (word: string) => Buffer.from(`${word}\0`);
  libc().setenv(text(name), text(value), 1);
  try {
    return run();
  } finally {
    if (before === undefined) libc().unsetenv(text(name));
    else libc().setenv(text(name), text(before), 1);
  }
}

/** Loads libc once. @throws Error where bun:ffi cannot: without it other children would inherit PTY masters. */
export function libc(): ReturnType<typeof open> {
  memo ??= open();
  return memo;
}

// --- internal ---

/** The libc that this process runs on already: its name differs between distributions, and two would not mix. */
function libcPath(): string {
  path ??=
    /\/\S*\/(ld-musl-|libc\.musl-|libc\.so|libc-2)\S*/.exec(readFileSync("/proc/self/maps", "utf8"))?.[0] ??
    null;
  return path ?? "libc.so.6";
}

function linkOf(fd: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // the listing's own
  }
}

function open() {
  return dlopen(libcPath(), {
    __errno_location: { args: [], returns: "ptr" }, // of glibc and of musl
    fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
    epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
    madvise: { args: ["u64", "u64", "i32"], returns: "i32" },
    memfd_create: { args: ["ptr", "u32"], returns: "i32" },
    sigaction: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    dup2: { args: ["i32", "i32"], returns: "i32" },
    close: { args: ["i32"], returns: "i32" },
    execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
    flock: { args: ["i32", "i32"], returns: "i32" },
    ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
    getrlimit: { args: ["i32", "ptr"], returns: "i32" },
    setrlimit: { args: ["i32", "ptr"], returns: "i32" },
    waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
    read: { args: ["i32", "ptr", "u64"], returns: FFIType.i64_fast },
    ppoll: { args: ["ptr", "u64", "ptr", "ptr"], returns: "i32" },
    pipe2: { args: ["ptr", "i32"], returns: "i32" },
    prctl: { args: ["i32", "ptr", "u64", "u64", "u64"], returns: "i32" },
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
    tcflow: { args: ["i32", "i32"], returns: "i32" },
    tcgetattr: { args: ["i32", "ptr"], returns: "i32" },
    tcsetattr: { args: ["i32", "i32", "ptr"], returns: "i32" },
    setenv: { args: ["ptr", "ptr", "i32"], returns: "i32" },
    unsetenv: { args: ["ptr"], returns: "i32" },
    getenv: { args: ["ptr"], returns: "ptr" },
    strlen: { args: ["ptr"], returns: "u64" },
    memset: { args: ["ptr", "i32", "u64"], returns: "ptr" },
    cfmakeraw: { args: ["ptr"], returns: "void" },
    getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
    getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    getgroups: { args: ["i32", "ptr"], returns: "i32" },
    setgroups: { args: ["u64", "ptr"], returns: "i32" },
    initgroups: { args: ["ptr", "u32"], returns: "i32" },
    setresgid: { args: ["u32", "u32", "u32"], returns: "i32" },
    setresuid: { args: ["u32", "u32", "u32"], returns: "i32" },
  }).symbols;
}
