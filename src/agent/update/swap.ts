/** Puts the new executable in the place of the old one, and back. At every moment one of them is there, whole. */
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { halfMark, type Mark, readMark, writeMark } from "./mark.ts";
import type { UpdatePlace } from "./place.ts";

/** The old one stays as `NAME.old`. @throws the system's error; the executable is then the old one */
export function swap(place: UpdatePlace): void {
  const kept = `${place.fresh}.old`;
  rmSync(kept, { force: true });
  keep(place.executable, kept);
  renameSync(kept, place.old);
  renameSync(place.fresh, place.executable);
  syncFolder(place.folder);
}

/**
 * Puts the old one back and remembers why.
 * @param version that failed
 * @returns false where there is no old one (any more): somebody else was faster
 */
export function swapBack(place: UpdatePlace, version: string, reason: string): boolean {
  if (!existsSync(place.old)) return false;
  renameSync(place.old, place.executable);
  syncFolder(place.folder);
  writeMark(place, { failed: { version, at: new Date().toISOString(), reason } });
  return true;
}

/** The new one has proved itself. Never throws: what stays is only a note. */
export function confirm(place: UpdatePlace): void {
  try {
    writeMark(place, {});
  } catch {
    // Another account's folder: whoever made the update takes it away.
  }
}

/** Changes what is remembered of the update that is under way. @throws the system's error */
export function note(place: UpdatePlace, change: (mark: Mark) => Mark): void {
  writeMark(place, change(readMark(place)));
}

/** Removes what an update that was killed has left, but for the download that the next one goes on with. */
export function tidy(place: UpdatePlace, keepPart: string | null): void {
  for (const path of [place.fresh, `${place.fresh}.old`, halfMark(place)]) rmSync(path, { force: true });
  for (const name of readdirSync(place.folder)) {
    const path = join(place.folder, name);
    if (place.isPart(name) && path !== keepPart) rmSync(path, { force: true });
  }
}

// --- internal ---

/** A second name for the same file; a copy where the file system has none. */
function keep(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  }
}

/** So that the names are on the disk too, before anything is started by them. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } catch {
    // Some file systems do not take it for folders.
  } finally {
    closeSync(fd);
  }
}
