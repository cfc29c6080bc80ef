/** A PTY on node-pty's native core: real flow control, exact exit status. */
import { fork, type PtyAddon } from "./addon.ts";
import { trackChild, untrackChild } from "./children.ts";
import { forkFailed } from "./errors.ts";
import { exitOf } from "./exit-status.ts";
import { type Master, MasterPty } from "./master-pty.ts";
import { withOpenFilesAsBefore } from "./open-files.ts";
import { readProcess } from "./procfs.ts";
import type { PtyExit, PtyOptions } from "./pty.ts";
import { terminalSide } from "./size.ts";

/** See `Pty`; made by `openPty`, which checks the options first. */
export class NativePty extends MasterPty {
  /** @throws PtyOpenError `PTY_UNAVAILABLE` where the kernel gives no PTY or no process. */
  constructor(addon: PtyAddon, options: PtyOptions) {
    super(forkMaster(addon, options));
  }
}

// --- internal ---

function forkMaster(addon: PtyAddon, options: PtyOptions): Master {
  const { promise: exited, resolve } = Promise.withResolvers<PtyExit>();
  const env = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
  const size = { cols: terminalSide(options.cols), rows: terminalSide(options.rows) };
  try {
    const onExit = (exitCode: number, signal: number) => {
      untrackChild(pid);
      resolve(exitOf(exitCode, signal));
    };
    const { fd, pid } = withOpenFilesAsBefore(() => fork(addon, { ...options, ...size, env }, onExit));
    trackChild(pid);
    const resize: Master["resize"] = (master, cols, rows) => addon.resize(master, cols, rows, 0, 0);
    return { backend: "native", fd, pid, entry: readProcess(pid), exited, resize };
  } catch (cause) {
    throw forkFailed(cause, options.file);
  }
}
