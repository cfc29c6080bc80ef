/** Copies the database of a running gateway. `cp` would miss what is still in SQLite's write-ahead log. */
import { closeSync, fsyncSync, linkSync, openSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { errnoOf, RexecError } from "../../lib/errors.ts";
import { copyDatabase } from "../store/open.ts";
import { storeProblem } from "../store/problems.ts";

/**
 * Writes all that the gateway of this data folder remembers into one file of mode 0600, which can take the place of
 * `gateway.db` in an empty folder. The file appears when it is complete.
 * @param folder the data folder; a gateway may be running on it
 * @param file a file that is not there yet
 * @returns its size, bytes
 * @throws RexecError `no_data`, `backup_exists`, `backup_failed`
 */
export async function backUp(folder: string, file: string): Promise<number> {
  const source = join(folder, "gateway.db");
  // Not made here: an account that only makes backups may own nothing in it.
  if (!statSync(source, { throwIfNoEntry: false })?.isFile()) {
    throw new RexecError(`there is no gateway's data in ${folder}`, {
      code: "no_data",
      hint: "name the gateway's folder with --data",
    });
  }
  return placeNew(file, (part) => copyDatabase(source, part));
}

/**
 * Makes a new file of mode 0600, which appears under its name when it is complete.
 * @param fill writes the content into an empty file
 * @returns its size, bytes
 * @throws RexecError `backup_exists`, `backup_failed`
 */
export async function placeNew(file: string, fill: (part: string) => Promise<void>): Promise<number> {
  if (statSync(file, { throwIfNoEntry: false })) throw exists(file);
  const part = join(dirname(file), `.${basename(file)}.${crypto.randomUUID().slice(0, 8)}`);
  try {
    closeSync(openSync(part, "wx", 0o600));
    await fill(part);
    const fd = openSync(part, "r");
    fsyncSync(fd);
    closeSync(fd);
    // Unlike a rename it takes no other file's place.
    linkSync(part, file);
    return statSync(file).size;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") throw exists(file);
    if (errnoOf(error) === "ENOENT") throw noFolder(file);
    throw storeProblem(file, error, "backup_failed");
  } finally {
    for (const path of [part, `${part}-journal`]) rmSync(path, { force: true });
  }
}

// --- internal ---

function exists(file: string): RexecError {
  return new RexecError(`${file} exists already`, {
    code: "backup_exists",
    hint: "give another name: a backup takes no file's place",
  });
}

function noFolder(file: string): RexecError {
  return new RexecError(`there is no folder ${dirname(file)}`, {
    code: "backup_failed",
    hint: "make it first (mkdir -p), or give another place",
  });
}
