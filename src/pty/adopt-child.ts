/** Reaps children that an earlier program image of this process started, and that neither Bun nor node-pty knows. */

import { signalName } from "../lib/signals.ts";
import { trackChild, untrackChild } from "./children.ts";
import { waitNow } from "./libc.ts";
import type { PtyExit } from "./pty.ts";

/** Another part of the process has reaped it: its exit status is lost. */
const UNKNOWN: PtyExit = { exitCode: null, signal: null };

const waiting = new Map<number, (exit: PtyExit) => void>();

/** Resolves when the child has been reaped. Never rejects. */
export function adoptChild(pid: number): Promise<PtyExit> {
  const { promise, resolve } = Promise.withResolvers<PtyExit>();
  trackChild(pid);
  if (waiting.size === 0) process.on("SIGCHLD", sweep);
  waiting.set(pid, resolve);
  sweep(); // it may have ended already
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
