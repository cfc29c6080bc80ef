/** Everything about the database that is SQLite's alone. On Postgres this file is the one with a sibling. */

import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { SQL } from "bun";
import { errnoOf, messageOf, RexecError } from "../../lib/errors.ts";
import { Database } from "./database.ts";

/** An open data folder. */
export interface OpenedFolder {
  database: Database;
  /** Others on this machine can look into the folder, which existed before us. */
  othersCanRead: boolean;
  close(): Promise<void>;
}

/** Milliseconds that a statement waits for another process, such as a backup, to let go of the file. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * Opens `gateway.db` in the folder and makes what is missing: the folder with mode 0700, files with 0600.
 * @param exclusive refuse a folder that a running gateway has open; without it one may look in beside it
 * @throws RexecError `bad_data_folder`, `data_folder_in_use`, `bad_database`
 */
export async function openFolder(folder: string, exclusive: boolean): Promise<OpenedFolder> {
  prepareFolder(folder);
  const lock = exclusive ? await lockFolder(folder) : null;
  const file = join(folder, "gateway.db");
  try {
    const sql = await connect(file);
    const database = new Database(sql, { singleConnection: true });
    return {
      database,
      othersCanRead: (statSync(folder).mode & 0o077) !== 0,
      async close() {
        await database.close();
        await lock?.close();
      },
    };
  } catch (error) {
    await lock?.close();
    throw error;
  }
}

// --- internal ---

function prepareFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // SQLite gives its -wal and -shm files the mode of the main file.
    for (const name of ["gateway.db", "gateway.lock"]) privateFile(join(folder, name));
  } catch (error) {
    throw new RexecError(`cannot use the data folder ${folder}: ${messageOf(error)}`, {
      code: "bad_data_folder",
      hint: "give a folder of this user's with --data, and check the disk",
      cause: error,
    });
  }
}

function privateFile(path: string): void {
  if (existsSync(path)) chmodSync(path, 0o600);
  closeSync(openSync(path, "a", 0o600));
}

/**
 * A second database whose exclusive lock is held while the gateway runs: the kernel lets go of it when the process
 * ends, however it ends, so no stale lock is ever left behind. The data itself stays readable for backups.
 */
async function lockFolder(folder: string): Promise<SQL> {
  const lock = new SQL({ adapter: "sqlite", filename: join(folder, "gateway.lock") });
  try {
    await lock.unsafe("PRAGMA locking_mode = EXCLUSIVE");
    await lock.unsafe("BEGIN EXCLUSIVE");
    await lock.unsafe("COMMIT");
    return lock;
  } catch (error) {
    await lock.close();
    if (!/BUSY|LOCKED/.test(errnoOf(error) ?? "")) throw badDatabase(join(folder, "gateway.lock"), error);
    throw new RexecError(`another gateway is using the data folder ${folder}`, {
      code: "data_folder_in_use",
      hint: "stop that one first, or give this one a folder of its own with --data",
      cause: error,
    });
  }
}

async function connect(file: string): Promise<SQL> {
  const sql = new SQL({ adapter: "sqlite", filename: file });
  try {
    await sql.unsafe(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    await sql.unsafe("PRAGMA journal_mode = WAL");
    await sql.unsafe("PRAGMA synchronous = NORMAL");
    await sql.unsafe("PRAGMA foreign_keys = ON");
    return sql;
  } catch (error) {
    await sql.close();
    throw badDatabase(file, error);
  }
}

function badDatabase(file: string, error: unknown): RexecError {
  const broken = /NOTADB|CORRUPT/.test(errnoOf(error) ?? "");
  return new RexecError(
    broken ? `${file} is damaged or no database` : `cannot open ${file}: ${messageOf(error)}`,
    {
      code: "bad_database",
      hint: broken
        ? "restore it from a backup, or give another folder with --data"
        : "check the folder's owner and the disk",
      cause: error,
    },
  );
}
