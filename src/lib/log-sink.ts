/**
 * Writes log lines to a descriptor without ever blocking. A line that can't be written is dropped and counted; the count
 * is written once lines can be. No error of the descriptor reaches the program.
 */
import { constants, fstatSync, openSync, write, writeSync } from "node:fs";
import { errnoOf } from "./errors.ts";
import { isJournal, Journal } from "./journal.ts";

/** Bound of the queue for a slow reader, bytes; a line beyond it is dropped. */
export const LOG_QUEUE_BYTES = 256 * 1024;

/** Takes bytes without blocking. Owned by its sink. */
export interface LogTarget {
  /** @returns bytes taken @throws the system's error; EAGAIN where the reader is slow */
  put(bytes: Uint8Array): number | Promise<number>;
}

/** A bounded queue of lines in front of a target. One for each descriptor or file of a program. */
export class LogSink {
  readonly #target: LogTarget;
  #queue: Entry[] = [];
  #bytes = 0;
  #lost = 0;
  #why = "";
  /** An error cut the last line. */
  #isTorn = false;
  #isBusy = false;
  #waitMs = 0;
  #timer: Timer | null = null;

  constructor(target: LogTarget) {
    this.#target = target;
  }

  /** Never throws and never waits. @param text one or more lines with their ends */
  write(text: string): void {
    const bytes = Buffer.from(text);
    if (this.#bytes + bytes.length > LOG_QUEUE_BYTES) {
      this.#drop(1, "the reader of the log was too slow");
    } else {
      this.#note();
      this.#push({ bytes, lines: 1, offset: 0, endsTorn: false });
    }
    if (this.#timer === null || this.#waitMs === 0) this.#pump();
  }

  /** Resolves once the queue is empty or cannot be written; after `ms` at the latest. */
  async settle(ms: number): Promise<void> {
    const deadline = performance.now() + (this.#waitMs >= MAX_WAIT_MS ? 0 : ms);
    while (this.#queue.length > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      this.#pump();
    }
  }

  // --- internal ---

  #push(entry: Entry): void {
    this.#queue.push(entry);
    this.#bytes += entry.bytes.length;
  }

  /** Queues the count of dropped lines in their place. */
  #note(): void {
    if (this.#lost === 0) return;
    const line = `… ${this.#lost} line(s) are missing here: ${this.#why}\n`;
    this.#push({ bytes: Buffer.from(line), lines: this.#lost, offset: 0, endsTorn: false });
    this.#lost = 0;
  }

  #drop(lines: number, why: string): void {
    this.#lost += lines;
    this.#why = why;
  }

  #pump(): void {
    while (!this.#isBusy) {
      const [head] = this.#queue;
      if (!head) return;
      if (this.#isTorn) this.#startAnew(head);
      try {
        const taken = this.#target.put(head.bytes.subarray(head.offset));
        if (typeof taken !== "number") this.#await(head, taken);
        else if (!this.#took(head, taken)) return;
      } catch (error) {
        if (this.#failed(head, error)) return;
      }
    }
  }

  #startAnew(head: Entry): void {
    head.bytes = Buffer.concat([Buffer.from("\n"), head.bytes]);
    head.endsTorn = true;
    this.#bytes += 1;
    this.#isTorn = false;
  }

  #await(head: Entry, taken: Promise<number>): void {
    this.#isBusy = true;
    taken.then(
      (count) => {
        this.#isBusy = false;
        if (this.#took(head, count)) this.#pump();
      },
      (error: unknown) => {
        this.#isBusy = false;
        if (!this.#failed(head, error)) this.#pump();
      },
    );
  }

  /** @returns false where nothing was taken: it is tried again later, as after EAGAIN */
  #took(head: Entry, count: number): boolean {
    if (count === 0) {
      this.#again(true);
      return false;
    }
    head.offset += count;
    this.#waitMs = 0;
    if (head.offset < head.bytes.length) return true;
    this.#queue.shift();
    this.#bytes -= head.bytes.length;
    // The next line may be a long time away.
    if (this.#queue.length === 0) this.#note();
    return true;
  }

  /** @returns whether to stop for now */
  #failed(head: Entry, error: unknown): boolean {
    const code = errnoOf(error) ?? "";
    if (code === "EINTR") return false;
    if (code !== "EAGAIN") {
      // The lines behind it would fail too, and are of no use late.
      this.#isTorn = head.offset > 0 || head.endsTorn;
      this.#drop(
        this.#queue.reduce((sum, { lines }) => sum + lines, 0),
        whyNotWritten(error),
      );
      this.#queue = [];
      this.#bytes = 0;
    }
    this.#again(code === "EAGAIN");
    return true;
  }

  #again(isSlow: boolean): void {
    if (this.#timer !== null) return;
    this.#waitMs = isSlow ? Math.min(MAX_WAIT_MS, Math.max(FIRST_WAIT_MS, this.#waitMs * 2)) : 0;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        if (this.#queue.length === 0) this.#note();
        this.#pump();
      },
      isSlow ? this.#waitMs : RETRY_MS,
    );
    this.#timer.unref();
  }
}

/**
 * A descriptor as a target. A pipe or a terminal is reopened with O_NONBLOCK, since other programs share the description
 * that we inherited. What can't be reopened (a socket, another user's pipe) is written by a thread that may block.
 */
export class FdTarget implements LogTarget {
  readonly #fd: number;
  readonly #own: number | null;
  /** Takes the place of a journal socket that has failed. */
  #journal: Journal | null = null;

  constructor(fd: number) {
    this.#fd = fd;
    this.#own = ownDescriptor(fd);
  }

  put(bytes: Uint8Array): number | Promise<number> {
    if (this.#own !== null) return writeSync(this.#own, bytes);
    if (this.#journal) return this.#journal.put(bytes);
    return new Promise((resolve, reject) => {
      write(this.#fd, bytes, (error, count) => {
        if (!error) return resolve(count);
        if (!isJournal(this.#fd)) return reject(error);
        this.#journal = new Journal();
        this.#journal.put(bytes).then(resolve, reject);
      });
    });
  }
}

/** The program's sink for stdout (1) or stderr (2), made at the first call. */
export function standardSink(fd: 1 | 2): LogSink {
  sinks[fd] ??= new LogSink(new FdTarget(fd));
  return sinks[fd];
}

/** Waits at exit for the queues of stdout and stderr, `ms` at most. */
export async function settleSinks(ms = LAST_MOMENT_MS): Promise<void> {
  await Promise.all([sinks[1]?.settle(ms), sinks[2]?.settle(ms)]);
}

/** Explains why a log line could not be written. */
export function whyNotWritten(error: unknown): string {
  const code = errnoOf(error) ?? "";
  return REASONS[code] ?? `the log could not be written${code ? ` (${code})` : ""}`;
}

// --- internal ---

interface Entry {
  bytes: Buffer;
  /** Lines in it, counted as dropped with it. */
  lines: number;
  offset: number;
  /** It begins with the line end that a cut line lacks. */
  endsTorn: boolean;
}

/** A slow reader is tried again after this, doubled each time, ms. */
const FIRST_WAIT_MS = 10;
const MAX_WAIT_MS = 500;
/** A failed descriptor is tried again after this, or with the next line, ms. */
const RETRY_MS = 5_000;
/** How long exit waits for a reader that has kept up so far, ms. */
const LAST_MOMENT_MS = 100;

const sinks: Record<1 | 2, LogSink | null> = { 1: null, 2: null };

function ownDescriptor(fd: number): number | null {
  try {
    // A disk does not block, and two descriptions of one file would write over each other.
    if (fstatSync(fd).isFile()) return fd;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch {
    return null;
  }
}

const REASONS: Record<string, string | undefined> = {
  ENOSPC: "the disk was full",
  EDQUOT: "the disk quota was used up",
  EFBIG: "the file had reached its largest size",
  EPIPE: "the reader of the log had gone",
  EIO: "the terminal was gone, or the disk failed",
};
