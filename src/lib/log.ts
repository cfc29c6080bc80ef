/** Logs to stderr; stdout is for results. Secrets are blanked first. */
// The core alone: what "consola" adds (prompts, its fancy reporter) costs every process 10 MB (measured, Bun 1.4.5).
import { type ConsolaReporter, createConsola, LogLevels, type LogType } from "consola/core";
import { isTerminal } from "./is-terminal.ts";
import { LogBudget } from "./log-budget.ts";
import { standardSink } from "./log-sink.ts";
import { printable } from "./printable.ts";
import { redact } from "./redact.ts";

/** Messages of code below `commands/` to the operator. Never throws. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** What JSON lines have beside the message, which says the same in words. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** `text` is for people and journals, `json` for what collects logs: one object a line. */
export type LogFormat = "text" | "json";

/** Bound of one log line, characters. */
export const LOG_LINE_CHARS = 2_000;

/** Levels that `REXEC_LOG` takes. */
export type LogLevel = "silent" | "error" | "warn" | "info" | "debug";

/**
 * The logger of a program. `fancy` is for a terminal; without it lines are plain, for a journal or a log file. Peers choose
 * parts of messages, so each becomes one line of bounded length, and each level has a bounded rate. `process.stderr` is not
 * used: at exit the runtime would wait for it, with a full disk for ever.
 * @param level the least important level that is written; an unknown name means `info`
 * @param write takes each line in place of stderr
 * @param format of the lines; JSON has `time`, `level`, `message` and fields
 */
export function createLogger(
  level: string | undefined,
  fancy = isTerminal(2),
  write: (line: string) => void = (line) => standardSink(2).write(line),
  format: LogFormat = "text",
): Logger {
  const consola = createConsola({
    level: LEVELS[level ?? "info"] ?? LogLevels.info,
    reporters: [format === "json" ? forMachine(write) : fancy ? forPerson(write) : forLog(write)],
    // Consola folds repeated lines by default; in a log every line counts.
    throttle: 0,
  });
  const say = (type: LogType) => {
    const budget = type === "debug" ? new LogBudget(DEBUG_BURST, DEBUG_RATE) : new LogBudget();
    return (message: string, fields?: LogFields) => {
      if (consola.level < (LEVELS[type] ?? 0)) return;
      const left = budget.take();
      if (left === null) return;
      if (left > 0) consola[type](`${left} more line(s) were left out here: too many at once`);
      consola[type](lineOf(message), ...(fields ? [fields] : []));
    };
  };
  return { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
}

/** Writes nothing. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

// --- internal ---

/** Characters of a message that are redacted: far more than are written, so that no token is cut to an unknown shape. */
const REDACTED_CHARS = 64 * 1024;
/** The budget of `debug`: lines in a burst, and lines a second. */
const DEBUG_BURST = 5_000;
const DEBUG_RATE = 100;

function lineOf(text: string): string {
  return printable(redact(text.slice(0, REDACTED_CHARS)), LOG_LINE_CHARS);
}

/** The object of one line. No field takes the place of time, level or message. */
const forMachine = (write: (line: string) => void): ConsolaReporter => ({
  log({ type, args: [message, fields], date }) {
    const own = { time: date.toISOString(), level: type, message };
    const more = Object.entries(isFields(fields) ? fields : {}).filter(([name]) => !(name in own));
    const safe = more.map(([name, value]) => [name, typeof value === "string" ? lineOf(value) : value]);
    write(`${JSON.stringify({ ...own, ...Object.fromEntries(safe) })}\n`);
  },
});

function isFields(value: unknown): value is LogFields {
  return typeof value === "object" && value !== null;
}

/** A coloured word and the text. */
const forPerson = (write: (line: string) => void): ConsolaReporter => ({
  log({ type, args }) {
    write(`${COLOURS[type] ?? ""}${type}\u001b[0m ${args[0]}\n`);
  },
});

/** `[info] text`, with the time in front; a journal adds its own. */
const forLog = (write: (line: string) => void): ConsolaReporter => ({
  log({ type, args, date }) {
    const time = process.env.JOURNAL_STREAM ? "" : `${date.toISOString()} `;
    write(`${time}[${type}] ${args[0]}\n`);
  },
});

const COLOURS: Record<string, string | undefined> = {
  error: "\u001b[31m",
  warn: "\u001b[33m",
  info: "\u001b[36m",
  debug: "\u001b[90m",
};

const LEVELS: Record<string, number | undefined> = {
  silent: Number.NEGATIVE_INFINITY,
  error: LogLevels.error,
  warn: LogLevels.warn,
  info: LogLevels.info,
  debug: LogLevels.debug,
};
