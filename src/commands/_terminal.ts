/** The terminal of this process, which is as it was once the process has ended. */
import { writeSync } from "node:fs";
import { LocalTerminal } from "../client/terminal/terminal.ts";
import { messageOf, OWN_FAILURE } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { enterRawMode, type RawMode } from "../pty/raw-mode.ts";
import { writeOut } from "./_output.ts";
import { stdinBytes, terminalBytes } from "./_stdin.ts";

/** In front of words of our own, once the remote shell has had the terminal. */
export function ownLine(terminal: LocalTerminal): string {
  return process.stderr.isTTY ? terminal.ownLine() : "\n";
}

/** Stdin and stdout, which may be files or pipes. */
export function localTerminal(): LocalTerminal {
  return new LocalTerminal({
    interactive: process.stdin.isTTY === true,
    shown: process.stdout.isTTY === true,
    input: { [Symbol.asyncIterator]: process.stdin.isTTY ? terminalBytes : stdinBytes },
    screens: [process.stdout, process.stderr],
    write: writeOut,
    enterRaw,
    undo: process.stdout.isTTY ? (text) => void writeSync(1, text) : null,
  });
}

/** Where libc cannot be called, the runtime's raw mode is nearly as good. */
function enterRaw(): RawMode {
  try {
    return enterRawMode(0);
  } catch {
    const set = (on: boolean) => void process.stdin.setRawMode(on);
    set(true);
    return { again: () => set(true), restore: () => set(false) };
  }
}

/** A viewer that is asked to end says goodbye, so that nothing is held for it; this long, ms. */
const FAREWELL_MS = 2_500;

/** That a signal asks this process to end. */
export interface Ending {
  readonly signal: AbortSignal;
  /** Once one of the signals has come. */
  exitCode: number | null;
}

/** Whatever ends this process, but SIGKILL, leaves the terminal as it was. */
export function guard(terminal: LocalTerminal): Ending {
  const abort = new AbortController();
  const ending: Ending = { signal: abort.signal, exitCode: null };
  process.on("exit", () => terminal.restore());
  for (const [name, number] of ENDING_SIGNALS) {
    process.on(name, () => {
      if (ending.exitCode !== null) process.exit(128 + number);
      ending.exitCode = 128 + number;
      terminal.restore();
      abort.abort();
      setTimeout(() => process.exit(128 + number), FAREWELL_MS);
    });
  }
  process.on("SIGCONT", () => terminal.resume());
  const crash = (error: unknown) => {
    terminal.restore();
    writeSync(2, `${ownLine(terminal)}error: ${printable(messageOf(error))}\n`);
    process.exit(OWN_FAILURE);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
  return ending;
}

const ENDING_SIGNALS = [
  ["SIGHUP", 1],
  ["SIGINT", 2],
  ["SIGQUIT", 3],
  ["SIGTERM", 15],
] as const;
