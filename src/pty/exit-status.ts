/** From the numbers of a wait status to the names that people know. */
import { constants } from "node:os";
import type { PtyExit } from "./pty.ts";

/** Names by number; of two names for one signal (SIGIOT, SIGPOLL, …) the usual one. */
const NAMES = new Map<number, string>();
for (const [name, number] of Object.entries(constants.signals)) {
  if (!["SIGIOT", "SIGPOLL", "SIGUNUSED", "SIGCLD"].includes(name)) NAMES.set(number, name);
}

/** A signal's name: `SIGKILL` for 9, `SIGRT34` for one of the real-time signals, which have no names of their own. */
export function signalName(signal: number): string {
  return NAMES.get(signal) ?? `SIGRT${signal}`;
}

/** The exit from what node-pty reports: a signal number other than 0 says that a signal ended it. */
export function exitOf(exitCode: number, signal: number): PtyExit {
  return signal === 0 ? { exitCode, signal: null } : { exitCode: null, signal: signalName(signal) };
}
