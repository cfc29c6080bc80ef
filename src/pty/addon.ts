/**
 * node-pty's native core, and nothing of its JavaScript (which does not work under Bun: see docs/architecture.md).
 *
 * The two `require` calls carry literal paths so that `bun build --compile` embeds the addon. Which one is decided
 * by `process.arch`, which a build must replace by the target's (`define: {"process.arch": JSON.stringify(arch)}`
 * for `Bun.build`), so that only that branch is left and only that addon is embedded.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setCloseOnExec, withVariable } from "./libc.ts";

/** What `fork` gives: the master's descriptor (O_NONBLOCK, and now CLOEXEC), the child, and the slave's path. */
export interface Forked {
  fd: number;
  pid: number;
  pty: string;
}

/** The functions of node-pty's addon that are used here (its pty.cc, 1.2.0-beta.15). */
export interface PtyAddon {
  /** @throws Error "forkpty(3) failed." without an errno. */
  fork(
    file: string,
    args: string[],
    env: string[],
    cwd: string,
    cols: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helperPath: string,
    onExit: (exitCode: number, signal: number) => void,
  ): unknown;
  resize(fd: number, cols: number, rows: number, xPixels: number, yPixels: number): void;
}

/**
 * Loads the addon of this machine's architecture. Refuse a musl process before the call: there the glibc addon
 * loads, and crashes the process at its first `fork`.
 *
 * @throws Error where it cannot be loaded: the folder it is unpacked to ($BUN_TMPDIR, $TMPDIR, /tmp) is `noexec`,
 * full or read-only, or the machine has no libstdc++ or a glibc older than 2.28.
 */
export function loadAddon(): PtyAddon {
  const loaded = inFolderOfItsOwn(requireAddon);
  if (!isAddon(loaded)) throw new Error("node-pty's addon lacks fork() or resize(): wrong version?");
  return loaded;
}

/** Starts a program on a new PTY through the addon; see `PtyOptions` for the arguments. */
export function fork(
  addon: PtyAddon,
  options: { file: string; args: readonly string[]; env: string[]; cwd: string; cols: number; rows: number },
  onExit: (exitCode: number, signal: number) => void,
): Forked {
  const { file, args, env, cwd, cols, rows } = options;
  // uid and gid stay -1: node-pty would keep root's supplementary groups. utf8 sets IUTF8, so that backspace in cooked
  // mode removes a whole character. The helper path is for Macs only.
  const forked = addon.fork(file, [...args], env, cwd, cols, rows, -1, -1, true, "", onExit);
  if (!isForked(forked)) throw new Error("node-pty's addon gave no fd and pid: wrong version?");
  // The addon marks inherited descriptors in the child, but stops at the first gap past fd 15, so a master beyond
  // a gap would be open in the next session's shell. No other fork can come between: both calls are synchronous.
  setCloseOnExec(forked.fd, true);
  return forked;
}

// --- internal ---

function requireAddon(): unknown {
  return process.arch === "arm64"
    ? require("node-pty/prebuilds/linux-arm64/pty.node")
    : require("node-pty/prebuilds/linux-x64/pty.node");
}

/**
 * A compiled program unpacks the addon into a file that the runtime never removes (`.bun-UID-HASH.node` in /tmp). Once it
 * is mapped the file is not needed: it goes into a folder of its own, which is removed.
 */
function inFolderOfItsOwn<T>(load: () => T): T {
  const { BUN_TMPDIR: given } = process.env;
  let folder: string;
  try {
    folder = mkdtempSync(join(given || tmpdir(), ".rexec-"));
  } catch {
    return load(); // whose error names the folder
  }
  try {
    return withVariable("BUN_TMPDIR", folder, load);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function isAddon(value: unknown): value is PtyAddon {
  if (typeof value !== "object" || value === null) return false;
  return (
    "fork" in value &&
    typeof value.fork === "function" &&
    "resize" in value &&
    typeof value.resize === "function"
  );
}

function isForked(value: unknown): value is Forked {
  if (typeof value !== "object" || value === null) return false;
  return (
    "fd" in value &&
    typeof value.fd === "number" &&
    "pid" in value &&
    typeof value.pid === "number" &&
    "pty" in value &&
    typeof value.pty === "string"
  );
}
