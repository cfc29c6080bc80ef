/** Replaces files in one step: a reader sees the old content or the new one. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Writes beside the target, syncs, then renames over it. A symbolic link keeps pointing where it points.
 * @param mode permission bits of the file; folders that are missing are made with 0700
 * @throws the system's error (`EROFS`, `EACCES`, `ENOSPC`, …); the target is then as it was
 */
export function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o600): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const target = resolveLink(path);
  const temporary = join(
    dirname(target),
    `.${basename(target)}.${process.pid}.${Date.now().toString(36)}.tmp`,
  );
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  try {
    const fd = openSync(temporary, "wx", mode);
    try {
      let written = 0;
      while (written < bytes.length) written += writeSync(fd, bytes, written);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, target);
  } catch (error) {
    try {
      unlinkSync(temporary);
    } catch {
      // It was never made, or has been renamed.
    }
    throw error;
  }
}

// --- internal ---

function resolveLink(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // it does not exist yet
  }
}
