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

/** A marker of the cast, so that a list of them reads no events. `t` as above. */
const markEntry = z.object({ t: z.number().check(z.minimum(0)), m: z.string() });

/** A line of the index. */
export type IndexEntry = KeyEntry | z.infer<typeof markEntry>;

const entry = z.union([keyEntry, markEntry]);

export function indexLine(line: IndexEntry): string {
  return `${JSON.stringify(line)}\n`;
}

/** All whole lines. @param size of the cast: keyframes behind its end do not count */
export function parseIndex(text: string, size: number): IndexEntry[] {
  return text.split("\n").flatMap((line) => {
    const found = parsed(line);
    return !found || ("at" in found && found.at > size) ? [] : [found];
  });
}

// --- internal ---

function parsed(line: string): IndexEntry | null {
  try {
    const checked = entry.safeParse(JSON.parse(line));
    return checked.success ? checked.data : null;
  } catch {
    return null; // the last line of a gateway that ended while it wrote
  }
}
