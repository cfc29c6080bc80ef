/** Where the note on an update lies, by itself: an agent looks for it at every start, and seldom needs the rest. */
import { basename, dirname, join } from "node:path";

/** @param executable with no symbolic link in it, as `process.execPath` is */
export function markPath(executable: string): string {
  return join(dirname(executable), `.${basename(executable)}.update.json`);
}
