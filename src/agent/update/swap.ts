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
  readSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { RexecError } from "../../lib/errors.ts";
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
 * @param kept SHA-256 of the old one, where it was noted
 * @returns false where there is no old one (any more): the guard in the new agent, or the update, was faster
 * @throws RexecError `update_not_kept` where the file is another one; both files then stay as they are
 */
export function swapBack(
  place: UpdatePlace,
  { version, reason, kept }: { version: string; reason: string; kept: string | undefined },
): boolean {
  if (!existsSync(place.old)) return false;
  if (kept !== undefined && sha256OfNow(place.old) !== kept) throw notKept(place, version);
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
    // Another account's folder: the account that made the update takes it away.
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

function notKept({ old, executable }: UpdatePlace, version: string): RexecError {
  return new RexecError(`${old} is not the version that ${version} has replaced, so it is not put back`, {
    code: "update_not_kept",
    hint: `install a version that you trust as ${executable}, for example with install-agent.sh of your server`,
  });
}

/** Within this turn: an agent that cannot go on decides by it. */
function sha256OfNow(path: string): string {
  const hasher = new Bun.CryptoHasher("sha256");
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  const fd = openSync(path, constants.O_RDONLY);
  try {
    for (let length = -1; length !== 0; hasher.update(piece.subarray(0, length)))
      length = readSync(fd, piece);
  } finally {
    closeSync(fd);
  }
  return hasher.digest("hex");
}

const PIECE_BYTES = 1024 * 1024;

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
