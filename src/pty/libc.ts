/** The few libc calls that Bun has no API for, through bun:ffi. */
import { dlopen } from "bun:ffi";
import { readFileSync } from "node:fs";

const F_SETFD = 2;
const FD_CLOEXEC = 1;
const WNOHANG = 1;
const PR_GET_CHILD_SUBREAPER = 37;
/** tcflow actions: suspend and restart output. */
const TCOOFF = 0;
const TCOON = 1;

let memo: ReturnType<typeof open> | null = null;
let musl: boolean | null = null;

/** Whether this process runs on musl; asked of the process itself, as a glibc system can have musl installed. */
export function isMusl(): boolean {
  musl ??= /\/(ld-musl-|libc\.musl-)/.test(readFileSync("/proc/self/maps", "utf8"));
  return musl;
}

/** Sets or clears FD_CLOEXEC. @throws Error where the descriptor is not open. */
export function setCloseOnExec(fd: number, on: boolean): void {
  if (libc().fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) !== 0) throw new Error(`fcntl(${fd}, F_SETFD) failed`);
}

/** Reaps the child `pid` if it is dead, without waiting; says whether it did. The status is thrown away. */
export function reapNow(pid: number): boolean {
  return libc().waitpid(pid, null, WNOHANG) === pid;
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

/** Loads libc once. @throws Error where bun:ffi cannot: without it no PTY master can be kept from other children. */
export function libc(): ReturnType<typeof open> {
  memo ??= open();
  return memo;
}

// --- internal ---

function open() {
  const cpu = process.arch === "arm64" ? "aarch64" : "x86_64";
  return dlopen(isMusl() ? `libc.musl-${cpu}.so.1` : "libc.so.6", {
    fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
    waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
    prctl: { args: ["i32", "ptr", "u64", "u64", "u64"], returns: "i32" },
    tcflow: { args: ["i32", "i32"], returns: "i32" },
  }).symbols;
}
