/** PTYs that an earlier program image of this process left open. */
import { adoptChild } from "./adopt-child.ts";
import { setCloseOnExec, setNonBlocking, setTerminalSize } from "./libc.ts";
import { type Master, MasterPty } from "./master-pty.ts";
import { readProcess } from "./procfs.ts";
import type { PtyState } from "./pty.ts";

/** Continues such a PTY from its saved state. The caller writes `unwritten` again. Owned by its session. */
export class AdoptedPty extends MasterPty {
  constructor(state: PtyState) {
    super(adopt(state));
  }
}

// --- internal ---

function adopt({ fd, pid, start, exit, unread }: PtyState): Master {
  if (fd !== null) {
    setCloseOnExec(fd, true);
    setNonBlocking(fd);
  }
  const entry = exit === null ? readProcess(pid) : null;
  return {
    backend: "adopted",
    fd,
    pid,
    // Without the same start time the pid may be another process, which must get no signal.
    entry: entry !== null && entry.start === start ? entry : null,
    exited: exit === null ? adoptChild(pid) : Promise.resolve(exit),
    resize: setTerminalSize,
    unread,
  };
}
