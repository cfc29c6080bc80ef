/** Makes a data folder of a backup. Nothing is seen of it before all of it was checked. */
import {
  closeSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoOf, RexecError } from "../../lib/errors.ts";
import { newestSchema, tooNew } from "../store/migrate.ts";
import { type DatabaseContent, inspectDatabase, lockFolder } from "../store/open.ts";
import { storeProblem } from "../store/problems.ts";
import { readArchive } from "./archive.ts";
import { NAMES } from "./backup.ts";

/** What was restored. */
export interface Restored extends DatabaseContent {
  /** The schema that this program brings the data to with its next start. */
  newestSchema: number;
  /** Files of recordings. */
  recordings: number;
}

/**
 * Fills a new or empty folder with what a backup holds: a file of `makeBackup`, or a copy of the database alone. Where
 * it fails, the folder is as it was. Files belong to the folder's owner.
 * @throws RexecError `data_folder_in_use`, `folder_not_empty`, `bad_data_folder`, `bad_backup`, `bad_database`,
 * `newer_schema`
 */
export async function restoreBackup(file: string, folder: string): Promise<Restored> {
  const isArchive = looksLikeArchive(file);
  const made = takeFolder(folder);
  const stage = join(folder, `.restore-${crypto.randomUUID().slice(0, 8)}`);
  // From here on no gateway starts on it.
  const unlock = await lockFolder(folder);
  let isDone = false;
  try {
    mkdirSync(stage, { mode: 0o700 });
    const recordings = isArchive ? await unpack(file, stage) : await copyOf(file, stage);
    const content = await inspectDatabase(join(stage, NAMES.database), file);
    if (content.schema > newestSchema()) throw tooNew(content.schema);
    settle(stage, folder);
    isDone = true;
    return { ...content, newestSchema: newestSchema(), recordings };
  } catch (error) {
    throw storeProblem(folder, error, "bad_data_folder");
  } finally {
    await unlock();
    if (isDone) giveTo(folder, statSync(folder));
    else leave(folder, made);
  }
}

// --- internal ---

const SQLITE = "SQLite format 3\0";

/** @throws RexecError `no_backup` */
function looksLikeArchive(file: string): boolean {
  const start = Buffer.alloc(SQLITE.length);
  try {
    const fd = openSync(file, "r");
    try {
      readSync(fd, start, 0, start.length, 0);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const why = errnoOf(error) === "ENOENT" ? "there is no such file" : "it cannot be read";
    throw new RexecError(`cannot restore ${file}: ${why} (${errnoOf(error)})`, {
      code: "no_backup",
      hint: "rexec admin backup FILE makes one",
      cause: error,
    });
  }
  return start.toString("latin1") !== SQLITE;
}

/** Makes the folder where there is none. @returns whether it did */
function takeFolder(folder: string): boolean {
  try {
    const made = mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined;
    const found = readdirSync(folder);
    if (found.length === 0) return made;
    if (!found.includes("gateway.db")) throw notEmpty(folder, "is not empty");
    throw notEmpty(folder, "has a gateway's data already");
  } catch (error) {
    throw storeProblem(folder, error, "bad_data_folder");
  }
}

function notEmpty(folder: string, what: string): RexecError {
  return new RexecError(`${folder} ${what}: a backup takes no data's place`, {
    code: "folder_not_empty",
    hint: "restore into a new folder (--data), or move this one away first, with its gateway stopped",
  });
}

/** @returns the number of files of recordings */
async function unpack(file: string, stage: string): Promise<number> {
  let recordings = 0;
  let hasDatabase = false;
  for await (const { name, chunks } of readArchive(file)) {
    if (!isOurs(name)) throw strange(file, name);
    const path = join(stage, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const out = await open(path, "wx", 0o600);
    try {
      for await (const chunk of chunks) await out.write(chunk);
      await out.sync();
    } finally {
      await out.close();
    }
    if (name === NAMES.database) hasDatabase = true;
    if (name.startsWith(`${NAMES.recordings}/`)) recordings += 1;
  }
  if (!hasDatabase) throw strange(file, null);
  return recordings;
}

/** No name leads out of the folder. */
function isOurs(name: string): boolean {
  if (name === NAMES.about || name === NAMES.database || name === NAMES.spill) return true;
  const [first, ...parts] = name.split("/");
  return (
    first === NAMES.recordings &&
    parts.length > 0 &&
    parts.every((part) => /^[^\0]+$/.test(part) && part !== "." && part !== "..")
  );
}

function strange(file: string, name: string | null): RexecError {
  const why = name === null ? "has no database" : `has a file that no backup has: ${name.slice(0, 200)}`;
  return new RexecError(`${file} ${why}`, { code: "bad_backup", hint: "rexec admin backup makes backups" });
}

/** A copy of `gateway.db` alone. */
async function copyOf(file: string, stage: string): Promise<number> {
  const target = join(stage, NAMES.database);
  closeSync(openSync(target, "wx", 0o600));
  await Bun.write(target, Bun.file(file));
  return 0;
}

/** Root restores for the account that the gateway runs as. */
function giveTo(path: string, { uid, gid }: { uid: number; gid: number }): void {
  if (process.getuid?.() !== 0) return;
  lchownSync(path, uid, gid);
  if (!lstatSync(path).isDirectory()) return;
  for (const name of readdirSync(path)) giveTo(join(path, name), { uid, gid });
}

/** Moves everything into its place, the database last: without it the folder holds no gateway. */
function settle(stage: string, folder: string): void {
  rmSync(join(stage, NAMES.about), { force: true });
  for (const name of [NAMES.recordings, NAMES.spill]) {
    if (statSync(join(stage, name), { throwIfNoEntry: false }))
      renameSync(join(stage, name), join(folder, name));
  }
  linkSync(join(stage, NAMES.database), join(folder, NAMES.database));
  rmSync(stage, { recursive: true });
}

/** Takes back what was made. */
function leave(folder: string, made: boolean): void {
  for (const name of readdirSync(folder)) {
    const isMade = name.startsWith(".restore-") || /^gateway\.lock/.test(name);
    if (isMade || name === NAMES.recordings || name === NAMES.spill)
      rmSync(join(folder, name), { recursive: true });
  }
  if (made && readdirSync(folder).length === 0) rmSync(folder, { recursive: true });
}
