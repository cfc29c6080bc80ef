/** Explains why a gateway's data can't be opened: the disk, the permissions, or a damaged file. */
import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf, messageOf, RexecError } from "../../lib/errors.ts";

/** Bytes without which SQLite can't open a database. */
const LEAST_ROOM = 64 * 1024;

/**
 * Explains an error of the system or of SQLite about a file of the gateway.
 * @param file the file or folder that was to be opened or written
 * @param code `bad_data_folder`, `bad_database` or `backup_failed`
 */
export function storeProblem(file: string, error: unknown, code: string): RexecError {
  if (error instanceof RexecError) return error;
  const errno = errnoOf(error) ?? "";
  const { why, hint } = explain(file, errno) ?? {
    why: `cannot use ${file}: ${messageOf(error)}`,
    hint: "check the folder's owner and the disk, or give another folder with --data",
  };
  return new RexecError(why, { code, hint, cause: error });
}

// --- internal ---

interface Explanation {
  why: string;
  hint: string;
}

function explain(file: string, errno: string): Explanation | null {
  if (/EDQUOT/.test(errno)) {
    return { why: `no room for ${file}: this user's disk quota is used up`, hint: MAKE_ROOM };
  }
  if (/ENOSPC|FULL/.test(errno)) return full(file);
  if (/EROFS/.test(errno)) return readOnly(file);
  if (/EACCES|EPERM|READONLY|_PERM|AUTH/.test(errno)) return forbidden(file);
  if (/EISDIR/.test(errno)) {
    return {
      why: `cannot use ${file}: it is a folder`,
      hint: "move it away, or give another folder with --data",
    };
  }
  if (/ENOTDIR|EEXIST/.test(errno)) {
    return { why: `cannot use ${file}: it is no folder`, hint: "give a folder with --data" };
  }
  if (/NOTADB|CORRUPT/.test(errno)) {
    return {
      why: `${file} is damaged or no database`,
      hint: "restore it from a backup (rexec admin backup makes one), or give another folder with --data",
    };
  }
  if (/BUSY|LOCKED/.test(errno)) {
    return { why: `${file} is in use by another process`, hint: "wait for it, or stop it, and try again" };
  }
  // SQLite gives the same codes for a full disk and for a folder in place of the file.
  if (/CANTOPEN|IOERR/.test(errno)) return unreadable(file);
  return null;
}

const MAKE_ROOM = "make room there (df -h, df -i), or give a folder on another disk with --data";

function full(file: string): Explanation {
  const noInodes = room(file)?.inodes === 0 ? " (it has no inode left)" : "";
  return { why: `no room for ${file}: the disk is full${noInodes}`, hint: MAKE_ROOM };
}

function readOnly(file: string): Explanation {
  return {
    why: `cannot write ${file}: its file system is read-only`,
    hint: "mount it for writing, or give another folder with --data",
  };
}

function forbidden(file: string): Explanation {
  const uid = process.getuid?.() ?? 0;
  const owner = ownerOf(file);
  const whose = owner !== null && owner !== uid ? `, it is user ${owner}'s` : "";
  return {
    why: `cannot write ${file}: permission denied to user ${uid}${whose}`,
    hint: "run the gateway as the user whose folder it is, or give one of this user's with --data",
  };
}

function unreadable(file: string): Explanation | null {
  const left = room(file);
  if (left && (left.bytes < LEAST_ROOM || left.inodes === 0)) return full(file);
  if (isFolder(file)) return explain(file, "EISDIR");
  return null;
}

/** What is left on the disk of the file, or of the nearest folder above it that exists; null where it can't be told. */
function room(file: string): { bytes: number; inodes: number } | null {
  for (let path = file; ; path = dirname(path)) {
    try {
      const { bavail, bsize, files, ffree } = statfsSync(path);
      // Some file systems have inodes without a number.
      return { bytes: bavail * bsize, inodes: files === 0 ? 1 : ffree };
    } catch {
      if (path === dirname(path)) return null;
    }
  }
}

function ownerOf(file: string): number | null {
  for (let path = file; ; path = dirname(path)) {
    try {
      return statSync(path).uid;
    } catch {
      if (path === dirname(path)) return null;
    }
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
