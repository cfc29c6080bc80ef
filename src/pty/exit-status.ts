/** Exits of programs, with the signal by its name. */
import { signalName } from "../lib/signals.ts";
import type { PtyExit } from "./pty.ts";

/** The exit from what node-pty reports: a signal number other than 0 says that a signal ended it. */
export function exitOf(exitCode: number, signal: number): PtyExit {
  return signal === 0 ? { exitCode, signal: null } : { exitCode: null, signal: signalName(signal) };
}

/** The exit of a child that Bun has waited for; a real-time signal is a number there. */
export function exitOfChild({
  signalCode,
  exitCode,
}: {
  signalCode: string | number | null;
  exitCode: number | null;
}): PtyExit {
  if (signalCode === null) return { exitCode: exitCode ?? 0, signal: null };
  return { exitCode: null, signal: typeof signalCode === "number" ? signalName(signalCode) : signalCode };
}
