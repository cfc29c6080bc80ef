/** Pipes between us and a command that can be left unread: Bun's own are read ahead, whatever anybody wants. */
import { closeSync } from "node:fs";
import { libc } from "../../pty/libc.ts";

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const F_SETFL = 4;

/** Two descriptors; ours does not block, the other is for the child to inherit. */
export interface Pipe {
  ours: number;
  theirs: number;
}

/** A pipe of which we keep one end. @throws Error where no descriptor is free */
export function openPipe(ourEnd: "read" | "write"): Pipe {
  const ends = new Int32Array(2);
  const [reading = -1, writing = -1] = libc().pipe2(ends, O_CLOEXEC) === 0 ? ends : [];
  if (reading < 0) throw new Error("no pipe: too many open files");
  const pipe = ourEnd === "read" ? { ours: reading, theirs: writing } : { ours: writing, theirs: reading };
  libc().fcntl(pipe.ours, F_SETFL, O_NONBLOCK);
  return pipe;
}

/** Closes descriptors, once each. */
export function closeAll(...fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd);
}
