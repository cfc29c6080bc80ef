/** The index beside a cast: one line of JSON for each keyframe, in the order of time. */
import * as z from "zod/mini";

const count = z.int().check(z.minimum(0));

/** Where a recording can be opened: the screen before the event at this place of the cast. */
const keyEntry = z.object({
  /** Milliseconds since the recording began. */
  t: z.number().check(z.minimum(0)),
  /** Byte offset of the next event. */
  at: count,
  cols: count,
  rows: count,
  /** What makes an empty terminal of that size this screen. */
  init: z.string(),
});
export type KeyEntry = z.infer<typeof keyEntry>;

/** An index that is read, bytes: some 20,000 keyframes. Of a longer one the beginning counts. */
const MOST_INDEX_BYTES = 64 * 1024 * 1024;

export function keyLine(entry: KeyEntry): string {
  return `${JSON.stringify(entry)}\n`;
}

/** All whole lines. @param size of the cast: entries behind its end do not count */
export function parseIndex(text: string, size: number): KeyEntry[] {
  const entries: KeyEntry[] = [];
  for (const line of text.slice(0, MOST_INDEX_BYTES).split("\n")) {
    const entry = parsed(line);
    const last = entries.at(-1);
    if (!entry || entry.at > size || (last && (entry.t < last.t || entry.at < last.at))) continue;
    entries.push(entry);
  }
  return entries;
}

// --- internal ---

function parsed(line: string): KeyEntry | null {
  try {
    const checked = keyEntry.safeParse(JSON.parse(line));
    return checked.success ? checked.data : null;
  } catch {
    return null; // the last line of a gateway that ended while it wrote
  }
}
