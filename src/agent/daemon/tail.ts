/** The end of a log: its last lines, over the older files where one is not enough, and what comes next. */
import { closeSync, constants, existsSync, fstatSync, readSync } from "node:fs";
import { systemClock } from "../../lib/clock.ts";
import { openRegular } from "../trust/own-file.ts";
import { logFiles } from "./log-file.ts";
import { sameFile } from "./same-file.ts";

/** How often a followed log is looked at, ms. */
const LOOK_MS = 200;
const CHUNK_BYTES = 64 * 1024;

/**
 * The last lines of one file.
 * @param from only what stands after that many bytes
 * @param to only what stands before that many bytes
 */
export function lastLines(path: string, count: number, from = 0, to = Number.POSITIVE_INFINITY): string[] {
  const text = readEnd(path, count, from, to);
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return count > 0 ? lines.slice(-count) : [];
}

/** The last lines of a log, the older files included. @param to of the youngest, as for `lastLines` */
export function lastLinesOfAll(path: string, count: number, to?: number): string[] {
  const lines: string[] = [];
  for (const file of logFiles(path)) {
    if (lines.length >= count) break;
    lines.unshift(...lastLines(file, count - lines.length, 0, file === path ? to : undefined));
  }
  return lines;
}

/**
 * What is appended from now on, from one file to the next, until the signal.
 * @returns `from`: the size of the file now, which is where it begins
 */
export function follow(
  path: string,
  signal: AbortSignal,
): { from: number; added: AsyncGenerator<Uint8Array> } {
  const fd = openQuietly(path);
  const from = fd === null ? 0 : fstatSync(fd).size;
  return { from, added: read(path, fd, from, signal) };
}

// --- internal ---

async function* read(
  path: string,
  first: number | null,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let fd = first;
  let at = from;
  try {
    while (!signal.aborted) {
      // Asked before the reading: what is written between the two is in a file that is read once more.
      // (Between two files there is none: the next one comes.)
      const replaced = fd === null ? existsSync(path) : sameFile(fd, path) === "other";
      if (fd !== null) {
        if (fstatSync(fd).size < at) at = 0; // emptied in place
        for (let bytes = readAt(fd, at); bytes.length > 0; bytes = readAt(fd, at)) {
          at += bytes.length;
          yield bytes;
        }
      }
      if (!replaced) {
        await systemClock.sleep(LOOK_MS, signal);
        continue;
      }
      if (fd !== null) closeSync(fd);
      fd = openQuietly(path);
      at = 0;
    }
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

/** Backwards from the end until there are enough lines. */
function readEnd(path: string, count: number, from: number, to: number): string {
  const fd = openQuietly(path);
  if (fd === null) return "";
  try {
    const size = Math.min(to, fstatSync(fd).size);
    const pieces: Buffer[] = [];
    let newlines = 0;
    for (let end = size; end > from && newlines <= count; ) {
      const start = Math.max(from, end - CHUNK_BYTES);
      const piece = Buffer.from(readAt(fd, start, end - start));
      pieces.unshift(piece);
      newlines += piece.toString("latin1").split("\n").length - 1;
      end = start;
    }
    return Buffer.concat(pieces).toString("utf8");
  } finally {
    closeSync(fd);
  }
}

function readAt(fd: number, position: number, length = CHUNK_BYTES): Uint8Array {
  const buffer = new Uint8Array(length);
  return buffer.subarray(0, readSync(fd, buffer, 0, length, position));
}

function openQuietly(path: string): number | null {
  try {
    return openRegular(path, constants.O_RDONLY);
  } catch {
    return null;
  }
}
