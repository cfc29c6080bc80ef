/** Reads events of a cast: whole lines of a part of it. */
import { eventOf, eventsIn } from "../../protocol/cast.ts";
import type { RecordingStorage } from "./storage.ts";

/** More than the longest line: one block. */
const LINE_BYTES = 512 * 1024;
const LINE_FEED = 0x0a;

/** The end of a cast: where its last whole line ends, and when its last event was, ms. */
export async function endOf(
  storage: RecordingStorage,
  id: string,
  size: number,
): Promise<{ bytes: number; ms: number }> {
  const from = Math.max(0, size - LINE_BYTES);
  const tail = new Uint8Array(await storage.part(id, "cast", from, size).arrayBuffer());
  const end = tail.lastIndexOf(LINE_FEED) + 1;
  const last = eventsIn(Buffer.from(tail.subarray(0, end)).toString()).at(-1);
  return { bytes: from + end, ms: Math.round((last?.[0] ?? 0) * 1000) };
}

/** The first line at or behind this place that is an event: where it begins, and its time in ms; null at the end. */
export async function lineAt(
  storage: RecordingStorage,
  id: string,
  at: number,
  size: number,
): Promise<{ at: number; ms: number } | null> {
  // From the byte before: `at` may be the beginning of a line itself.
  const from = Math.max(0, at - 1);
  for (const length of [LINE_BYTES / 8, 2 * LINE_BYTES]) {
    const part = storage.part(id, "cast", from, Math.min(size, from + length));
    const found = firstEvent(new Uint8Array(await part.arrayBuffer()), at === 0);
    if (found) return { at: from + found.at, ms: found.ms };
  }
  return null;
}

// --- internal ---

/** @param isLine a line begins with these bytes; else behind the first line feed */
function firstEvent(bytes: Uint8Array, isLine: boolean): { at: number; ms: number } | null {
  let start = isLine ? 0 : bytes.indexOf(LINE_FEED) + 1;
  if (!isLine && start === 0) return null;
  for (;;) {
    const end = bytes.indexOf(LINE_FEED, start);
    if (end < 0) return null;
    const event = eventOf(Buffer.from(bytes.subarray(start, end)).toString());
    if (event) return { at: start, ms: event[0] * 1000 };
    start = end + 1;
  }
}
