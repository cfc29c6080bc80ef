/** Puts what a gateway remembers into one file, also while it runs. */
import { type Dirent, readdirSync, statSync } from "node:fs";
import { open, unlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { VERSION } from "../../lib/version.ts";
import { inspectDatabase } from "../store/open.ts";
import { type Member, writeArchive } from "./archive.ts";
import { backUp, placeNew } from "./database-copy.ts";

/** What a backup has beside the database. */
export interface BackupOptions {
  /** The folder of recordings; null to leave them out. */
  recordings: string | null;
}

/** Names in the archive. `restore` takes these and no others. */
export const NAMES = {
  about: "about.json",
  database: "gateway.db",
  /** Entries of the audit log that the database could not take yet. */
  spill: "audit-spill.jsonl",
  recordings: "recordings",
} as const;

/**
 * Writes a new file of mode 0600, which appears when it is complete. The database is as it is at one moment; recordings
 * are as long as they are when their turn comes.
 * @param folder the data folder; a gateway may be running on it
 * @returns its size, bytes
 * @throws RexecError `no_data`, `backup_exists`, `backup_failed`
 */
export async function makeBackup(folder: string, file: string, options: BackupOptions): Promise<number> {
  const copy = join(dirname(file), `.rexec-${crypto.randomUUID().slice(0, 8)}.db`);
  return placeNew(file, async (part) => {
    try {
      await backUp(folder, copy);
      const { schema } = await inspectDatabase(copy);
      const about = { rexec: VERSION, schema, made_at: new Date().toISOString() };
      const out = await open(part, "w");
      try {
        for await (const chunk of writeArchive(membersOf(folder, copy, about, options)))
          await out.write(chunk);
        await out.sync();
      } finally {
        await out.close();
      }
    } finally {
      await unlink(copy).catch(() => {}); // it was never made
    }
  });
}

// --- internal ---

async function* membersOf(
  folder: string,
  copy: string,
  about: object,
  { recordings }: BackupOptions,
): AsyncGenerator<Member> {
  yield { name: NAMES.about, from: Buffer.from(`${JSON.stringify(about)}\n`) };
  yield { name: NAMES.database, from: copy };
  const spill = join(folder, NAMES.spill);
  if (statSync(spill, { throwIfNoEntry: false })?.isFile()) yield { name: NAMES.spill, from: spill };
  if (recordings === null) return;
  for (const path of filesIn(recordings)) {
    yield { name: `${NAMES.recordings}/${relative(recordings, path)}`, from: path };
  }
}

/** Ordinary files: what a link leads to is not the gateway's. */
function* filesIn(folder: string): Generator<string> {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return; // It has none, or it is gone.
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    else if (entry.isFile()) yield path;
  }
}
