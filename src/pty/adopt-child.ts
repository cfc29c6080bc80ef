/** Waits for children that an earlier program image of this process has started: neither Bun nor node-pty knows them. */

import { signalName } from "../lib/signals.ts";
import { trackChild, untrackChild } from "./children.ts";
import { waitNow } from "./libc.ts";
import type { PtyExit } from "./pty.ts";

/** Nobody can say how it ended: somebody else has waited for it. */
const UNKNOWN: PtyExit = { exitCode: null, signal: null };

const waiting = new Map<number, (exit: PtyExit) => void>();

/** Settles when the child has been waited for. Never rejects. */
export function adoptChild(pid: number): Promise<PtyExit> {
  const { promise, resolve } = Promise.withResolvers<PtyExit>();
  trackChild(pid);
  if (waiting.size === 0) process.on("SIGCHLD", sweep);
  waiting.set(pid, resolve);
  sweep(); // it may have ended before
  return promise;
}

// --- internal ---

/** One signal may stand for many ends. */
function sweep(): void {
  for (const [pid, resolve] of waiting) {
    const status = waitNow(pid);
    if (status === "runs") continue;
    waiting.delete(pid);
    untrackChild(pid);
    resolve(status === "none" ? UNKNOWN : exitOfStatus(status));
  }
  if (waiting.size === 0) process.off("SIGCHLD", sweep);
}

/** wait(2): the low seven bits are the signal's number, else the next byte the exit code. */
function exitOfStatus(status: number): PtyExit {
  const signal = status & 0x7f;
  if (signal !== 0) return { exitCode: null, signal: signalName(signal) };
  return { exitCode: (status >> 8) & 0xff, signal: null };
}
