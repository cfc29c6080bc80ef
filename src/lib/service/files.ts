/** Files of services: written and removed with an error that names them. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { writeFileAtomic } from "../atomic-file.ts";
import { messageOf, RexecError } from "../errors.ts";

/** Null where it cannot be read. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** Writes it in one step, with that mode whatever the umask is. @throws RexecError `service_unwritable` */
export function writeServiceFile(path: string, text: string, mode: number): void {
  try {
    writeFileAtomic(path, text, mode);
    chmodSync(path, mode);
  } catch (error) {
    throw unwritable("write", path, error);
  }
}

/** As `writeServiceFile`, in a folder that others may look into. @returns whether it was another one before */
export function writeIfOther(path: string, text: string, mode: number): boolean {
  if (readText(path) === text) return false;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  } catch (error) {
    throw unwritable("write", path, error);
  }
  writeServiceFile(path, text, mode);
  return true;
}

/** A file, or a folder with all in it. @throws RexecError `service_unwritable` */
export function removeServiceFile(path: string): void {
  try {
    rmSync(path, { recursive: true });
  } catch (error) {
    throw unwritable("remove", path, error);
  }
}

/** @returns whether it was there @throws RexecError `service_unwritable` */
export function removeIfThere(path: string): boolean {
  if (!existsSync(path)) return false;
  removeServiceFile(path);
  return true;
}

// --- internal ---

function unwritable(what: string, path: string, cause: unknown): RexecError {
  return new RexecError(`cannot ${what} ${path}: ${messageOf(cause)}`, { code: "service_unwritable", cause });
}
