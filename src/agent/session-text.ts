/** What a session shows that its shell did not just print. */
import type { ByteRing } from "../lib/byte-ring.ts";

/** What a server of rexec.v1 is shown of a session that it did not start, bytes. */
const RECENT_BYTES = 64 * 1024;

/** The last whole lines. */
export function recentLines(ring: ByteRing): Uint8Array {
  const from = Math.max(ring.start, ring.end - RECENT_BYTES);
  const bytes = ring.read(from, RECENT_BYTES);
  return from === 0 ? bytes : bytes.subarray(bytes.indexOf(10) + 1);
}

/** Why it was ended, as a line behind its last output. */
export function farewell(why: string): string {
  // CAN ends a sequence that was cut in two; a program that was killed has left its own screen on.
  return `\x18\x1b[?47l\x1b[0m\r\nrexec: ${why}\r\n`;
}
