/** Files of the service: written where they differ, removed with what only the service has made. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { writeFileAtomic } from "../../lib/atomic-file.ts";
import { messageOf, RexecError } from "../../lib/errors.ts";

/** @returns whether it was another one before @throws RexecError `service_unwritable` */
export function writeIfOther(path: string, text: string, mode: number): boolean {
  if (readText(path) === text) return false;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    writeFileAtomic(path, text, mode);
    chmodSync(path, mode); // whatever the umask was
    return true;
  } catch (error) {
    throw unwritable("write", path, error);
  }
}

/** @returns whether it was there @throws RexecError `service_unwritable` */
export function removeIfThere(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    rmSync(path, { recursive: true });
    return true;
  } catch (error) {
    throw unwritable("remove", path, error);
  }
}

/** Null where it cannot be read. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

// --- internal ---

function unwritable(what: string, path: string, cause: unknown): RexecError {
  return new RexecError(`cannot ${what} ${path}: ${messageOf(cause)}`, { code: "service_unwritable", cause });
}
