/** A PTY that an earlier program image of this process has opened, and left open for us. */
import { adoptChild } from "./adopt-child.ts";
import { setCloseOnExec, setNonBlocking, setTerminalSize } from "./libc.ts";
import { type Master, MasterPty } from "./master-pty.ts";
import { readProcess } from "./procfs.ts";
import type { PtyState } from "./pty.ts";

/** Goes on where the earlier one was; of its state only `unwritten` is left to the caller to write again. */
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
    // Without a start, or with another one, it is not known to be that process, and nobody signals it.
    entry: entry !== null && entry.start === start ? entry : null,
    exited: exit === null ? adoptChild(pid) : Promise.resolve(exit),
    resize: setTerminalSize,
    unread,
  };
}
