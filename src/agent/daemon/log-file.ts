/** The log of an agent in the background: one file that never grows past its bound, and two older ones. */
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  renameSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { errnoOf } from "../../lib/errors.ts";
import { LogSink, type LogTarget } from "../../lib/log-sink.ts";
import { redirect } from "../../pty/libc.ts";
import { APPENDING, openOwn } from "../trust/own-file.ts";
import { sameFile } from "./same-file.ts";

/** The largest that one file grows, bytes. */
export const LOG_BYTES = 5 * 1024 * 1024;
/** Older files that are kept: `agent.log.1` is the youngest of them. */
export const OLDER_LOGS = 2;

const STDOUT = 1;
const STDERR = 2;

/** Where a log is written, and how large a file may become. */
export interface LogFileOptions {
  path: string;
  /** Bytes. */
  limit?: number;
}

/** The files of a log, youngest first. */
export function logFiles(path: string): string[] {
  return [path, ...Array.from({ length: OLDER_LOGS }, (_, index) => `${path}.${index + 1}`)];
}

/**
 * Writes lines to stderr, which is that file already (`start --daemon` has seen to it, so that what the runtime itself
 * says at a crash is in it too), and moves on to a new file at the limit. Lines that find the disk full are counted, and
 * reported as missing once there is room.
 */
export class LogFile implements LogTarget {
  readonly #path: string;
  readonly #limit: number;
  readonly #sink = new LogSink(this);

  constructor({ path, limit = LOG_BYTES }: LogFileOptions) {
    this.#path = path;
    this.#limit = limit;
  }

  /** @param line with its line end */
  write(line: string): void {
    this.#sink.write(line);
  }

  /** For the sink: one line, or the rest of one. */
  put(bytes: Uint8Array): number {
    const { size } = fstatSync(STDERR);
    // Removed or put aside by others: the log would not be found there.
    if (sameFile(STDERR, this.#path) !== "same") this.#reopen();
    else if (size + bytes.length > this.#limit) this.#rotate();
    return writeSync(STDERR, bytes);
  }

  // --- internal ---

  #rotate(): void {
    const [newest = this.#path, ...older] = logFiles(this.#path);
    try {
      // The runtime has descriptors of its own on the file that it was started with: its blocks must not stay taken.
      if (existsSync(older.at(-1) ?? newest)) truncateSync(older.at(-1) ?? newest);
      for (const [index, path] of [...older.entries()].reverse())
        renameOver(older[index - 1] ?? newest, path);
    } catch {
      // A folder that has become read-only. The bound stands all the same.
      ftruncateSync(STDERR, 0);
    }
    this.#reopen();
  }

  #reopen(): void {
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      const fd = openOwn(this.#path, APPENDING);
      redirect(fd, STDERR);
      redirect(fd, STDOUT);
      closeSync(fd);
    } catch {
      // It goes on where it was.
    }
  }
}

function renameOver(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}
