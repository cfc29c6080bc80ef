/** What a session shows that its shell did not just print. */

import { printable } from "../../lib/printable.ts";
import { replayOf } from "../../lib/replay.ts";
import { unfinishedTail } from "../../lib/utf8.ts";
import type { ByteRing } from "../../stream/byte-ring.ts";

/** What a server of rexec.v1 is shown of a session that it did not start, bytes. */
const RECENT_BYTES = 64 * 1024;

/** Where no line begins in so many bytes, what is shown begins in the middle of one. */
const LINE_BYTES = 4 * 1024;

/** The last lines, and mostly whole ones, fit to be shown again. */
export function recentLines(ring: ByteRing): Uint8Array {
  return replayable(recentBytes(ring));
}

/** Output of the past, fit to be shown to a terminal that is not the one it was printed for. */
export function replayable(bytes: Uint8Array, before: Uint8Array = new Uint8Array(0)): Uint8Array {
  // The rest of an unfinished character is still to come.
  const whole = bytes.length - unfinishedTail(bytes);
  const text = replayOf(textOf(before), textOf(bytes.subarray(0, whole)));
  return Buffer.concat([Buffer.from(text), bytes.subarray(whole)]);
}

/** Why it was ended, as a line behind its last output. */
export function farewell(why: string): string {
  // CAN ends a sequence that was cut in two; a program that was killed has left its own screen on.
  return `\x18\x1b[?47l\x1b[0m\r\nrexec: ${printable(why)}\r\n`;
}

// --- internal ---

function recentBytes(ring: ByteRing): Uint8Array {
  const from = Math.max(ring.start, ring.end - RECENT_BYTES);
  const bytes = ring.read(from, RECENT_BYTES);
  if (from === 0) return bytes;
  const line = bytes.subarray(0, LINE_BYTES).indexOf(LINE_FEED);
  return bytes.subarray(line < 0 ? Math.max(0, bytes.findIndex(beginsCharacter)) : line + 1);
}

/** A byte order mark in a terminal's output is output. */
function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

const LINE_FEED = 10;

/** Not the second or a later byte of one in UTF-8. */
function beginsCharacter(byte: number): boolean {
  return (byte & 0xc0) !== 0x80;
}
