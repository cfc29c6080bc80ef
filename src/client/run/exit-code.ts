/** What our process exits with for what happened to a remote one: as a shell would show it. */
import { signalNumber } from "../../lib/signals.ts";

/** As `timeout(1)`. */
export const TIMED_OUT_EXIT = 124;

/** An exit as the messages tell it. */
export interface RemoteExit {
  exit_code?: number | null | undefined;
  /** `SIGKILL` */
  signal?: string | null | undefined;
  /** Its time was up, and it was killed. */
  timed_out?: boolean | undefined;
}

/** The code, 128+n for a signal, 124 where the time was up, or null where the message tells neither. */
export function exitCodeOf(exit: RemoteExit): number | null {
  if (exit.timed_out) return TIMED_OUT_EXIT;
  if (typeof exit.exit_code === "number") return exit.exit_code & 0xff;
  if (!exit.signal) return null;
  return 128 + (signalNumber(exit.signal) ?? 0);
}

/** Other agents put Go's `exit status N` or `signal: killed` into `error` and nothing else. */
export function exitCodeFromText(error: string): number | null {
  const status = /\bexit status (\d+)/.exec(error)?.[1];
  if (status) return Number(status) & 0xff;
  const name = /\bsignal: ([\w /-]+)/.exec(error)?.[1]?.trim();
  if (!name) return null;
  const number = GO_SIGNALS[name] ?? signalNumber(name) ?? Number(/^signal (\d+)/.exec(name)?.[1] ?? 0);
  return 128 + number;
}

// --- internal ---

/** Texts of Go's `syscall.Signal` on Linux. */
const GO_SIGNALS: Record<string, number | undefined> = {
  hangup: 1,
  interrupt: 2,
  quit: 3,
  "illegal instruction": 4,
  "trace/breakpoint trap": 5,
  aborted: 6,
  "bus error": 7,
  "floating point exception": 8,
  killed: 9,
  "user defined signal 1": 10,
  "segmentation fault": 11,
  "user defined signal 2": 12,
  "broken pipe": 13,
  "alarm clock": 14,
  terminated: 15,
};
