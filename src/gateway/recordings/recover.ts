/** After a crash: recordings that were being made end where they were last written. */
import { truncate } from "node:fs/promises";
import type { RecordingRow } from "../store/recordings.ts";
import type { Store } from "../store/store.ts";
import { endOf } from "./cast-lines.ts";
import type { RecordingFolder } from "./storage.ts";

const BATCH = 100;

/**
 * Marks what an earlier gateway left as interrupted, and cuts off a line that it has not finished.
 * @returns their rows. Rejects with the store's error; a file that cannot be read counts as empty
 */
export async function recover(
  store: Pick<Store, "recordings">,
  folder: RecordingFolder,
): Promise<RecordingRow[]> {
  const recovered: RecordingRow[] = [];
  for (let after = ""; ; ) {
    const rows = await store.recordings.inState("recording", after, BATCH);
    for (const row of rows) {
      const ended = { ...row, ...(await endedAs(row, folder)) };
      await store.recordings.save(ended);
      recovered.push(ended);
    }
    const last = rows.at(-1);
    if (!last || rows.length < BATCH) return recovered;
    after = last.id;
  }
}

// --- internal ---

async function endedAs(row: RecordingRow, folder: RecordingFolder): Promise<Partial<RecordingRow>> {
  const end = await whole(row.id, folder).catch(() => null); // as one that is not there
  const duration_ms = end?.ms ?? 0;
  return {
    state: "interrupted",
    note: end ? "the gateway ended without warning" : "the file is missing",
    bytes: end?.bytes ?? 0,
    duration_ms,
    ended_at: new Date(Date.parse(row.started_at) + duration_ms).toISOString(),
  };
}

async function whole(id: string, folder: RecordingFolder): Promise<{ bytes: number; ms: number } | null> {
  const size = await folder.size(id, "cast");
  if (size === null) return null;
  const end = await endOf(folder, id, size);
  if (end.bytes < size) await truncate(folder.path(id, "cast"), end.bytes);
  return end;
}
