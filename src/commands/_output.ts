/** Results to stdout and words to stderr, whole: also through a slow pipe, and quietly where the reader has left. */
import { constants, openSync, write, writeSync } from "node:fs";
import { errnoOf } from "../lib/errors.ts";
import { isTerminal } from "../lib/is-terminal.ts";
import { settleSinks, standardSink } from "../lib/log-sink.ts";
import { printable, printableJson } from "../lib/printable.ts";

/** What a shell shows for a program that SIGPIPE ended. */
const BROKEN_PIPE_EXIT = 128 + 13;

/**
 * Writes all of it and resolves once the kernel has taken it, in the order of the calls; a slow reader makes it slow,
 * never long in memory. Where the reader is gone (`| head`) the program ends, quietly.
 */
export function writeOut(data: string | Uint8Array): Promise<void> {
  return enqueue(1, data);
}

/** As `writeOut`, to stderr. */
export function writeErr(data: string | Uint8Array): Promise<void> {
  return enqueue(2, data);
}

/**
 * One line for a person, on stderr: whatever names and reasons of others are in it, it stays one, and is only read.
 * One that cannot be written is left out.
 */
export function say(line: string): void {
  writeErr(`${printable(line)}\n`).catch(() => {});
}

/** A result as JSON, for a program, or for a person who looks at it in a terminal. */
export function writeJson(value: unknown): Promise<void> {
  return writeOut(`${printableJson(value)}\n`);
}

/** An error of the program's own, on stderr; it is never waited for, and a reader that has left changes no exit code. */
export async function complain(text: string): Promise<void> {
  await tails[2];
  standardSink(2).write(text);
  lastMomentMs = COMPLAINT_MS;
}

/**
 * What a program that runs for long says on stdout, such as how to reach it: as a line of its log it is never waited
 * for, and a reader that has left does not end the program.
 */
export function announce(text: string): void {
  standardSink(1).write(text);
}

/**
 * Ends the process once everything that was written has left it. Nothing is written through `process.stdout` and
 * `process.stderr`: the runtime would wait for them again, on a full disk for ever.
 */
export async function flushAndExit(code: number): Promise<never> {
  await Promise.all([tails[1], tails[2], settleSinks(lastMomentMs)]);
  process.exit(code);
}

/** True where colours may be used on stdout (1) or stderr (2). */
export function colourful(fd: Fd): boolean {
  return isTerminal(fd) && !process.env.NO_COLOR && process.env.TERM !== "dumb";
}

// --- internal ---

type Fd = 1 | 2;
/** How long the end waits for an error to be written: a busy machine may take longer over it than over a log, ms. */
const COMPLAINT_MS = 2_000;
let lastMomentMs: number | undefined;
const direct: Record<Fd, number | null> = { 1: null, 2: null };
const tails: Record<Fd, Promise<void>> = { 1: Promise.resolve(), 2: Promise.resolve() };

function enqueue(fd: Fd, data: string | Uint8Array): Promise<void> {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  const done = tails[fd].then(() => writeAll(fd, bytes));
  tails[fd] = done.catch(() => {}); // its caller hears of the error; the next write tries for itself
  return done;
}

/** `fs.write` and not `process.stdout`: its promise means that the kernel has the bytes, on a pipe and a TTY alike. */
async function writeAll(fd: Fd, bytes: Uint8Array): Promise<void> {
  let offset = writeNow(fd, bytes);
  while (offset < bytes.length) {
    const { written, error } = await writeOnce(fd, bytes.subarray(offset));
    offset += written;
    if (!error) continue;
    const code = errnoOf(error);
    if (code === "EPIPE") process.exit(BROKEN_PIPE_EXIT);
    // Another program on the same terminal or pipe may have made it non-blocking.
    if (code === "EAGAIN") await Bun.sleep(2);
    else if (code !== "EINTR") throw error;
  }
}

/**
 * What a terminal takes at once, without the turn by another thread that `fs.write` is: an echo waits for nothing else.
 * @returns bytes that were taken
 */
function writeNow(fd: Fd, bytes: Uint8Array): number {
  direct[fd] ??= openDirect(fd);
  if (direct[fd] < 0) return 0;
  try {
    return writeSync(direct[fd], bytes);
  } catch {
    return 0; // no room now, or an error, of which the other way tells
  }
}

/** O_NONBLOCK, on a description of its own: the one that we were given is shared with others. -1 where there is none. */
function openDirect(fd: Fd): number {
  if (!isTerminal(fd)) return -1;
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch {
    return -1;
  }
}

function writeOnce(fd: Fd, bytes: Uint8Array): Promise<{ written: number; error: unknown }> {
  return new Promise((resolve) => {
    write(fd, bytes, (error, written) => resolve({ written: error ? 0 : written, error }));
  });
}
