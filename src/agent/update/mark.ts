/** What is remembered beside an executable between its replacement and its first connection, and of one that failed. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import * as z from "zod/mini";
import type { UpdatePlace } from "./place.ts";

const pending = z.object({
  /** `1.2.3 (commit)` */
  from: z.string(),
  to: z.string(),
  /** RFC 3339 */
  at: z.string(),
  /** Starts of the new one that have not led to a connection. */
  starts: z.int(),
  /** SHA-256 of the one before, which is kept. Missing where an earlier version of this program made the update. */
  kept: z.optional(z.string()),
  /** The one before was connected: the new one has to be. */
  connected: z.boolean(),
  /** Process that looks after it, 0 for none. */
  watcher: z.int(),
});
export type PendingUpdate = z.infer<typeof pending>;

const failed = z.object({ version: z.string(), at: z.string(), reason: z.string() });
export type FailedUpdate = z.infer<typeof failed>;

const mark = z.object({ pending: z.optional(pending), failed: z.optional(failed) });
export type Mark = z.infer<typeof mark>;

/** Empty where there is none, or nothing that can be read. */
export function readMark(place: Pick<UpdatePlace, "mark">): Mark {
  try {
    const read = mark.safeParse(JSON.parse(readFileSync(place.mark, "utf8")));
    return read.success ? read.data : {};
  } catch {
    return {};
  }
}

/** An empty one is no file. @throws the system's error */
export function writeMark(place: Pick<UpdatePlace, "mark">, { pending, failed }: Mark): void {
  // Not a name of its own for each process: what a killed one has left would then stay.
  const half = halfMark(place);
  if (!pending && !failed) {
    for (const path of [half, place.mark]) rmSync(path, { force: true });
    return;
  }
  rmSync(half, { force: true }); // of a process that was killed
  writeFileSync(half, `${JSON.stringify({ pending, failed })}\n`, { flag: "wx", mode: 0o644, flush: true });
  renameSync(half, place.mark);
}

/** A note that is being written. */
export function halfMark({ mark }: Pick<UpdatePlace, "mark">): string {
  return `${mark}.new`;
}
