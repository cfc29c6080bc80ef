/** Files that are acted upon because of what stands in them: an account's own, regular, and no one else may write them. */
import { closeSync, constants, fstatSync, lstatSync, openSync, type Stats, statSync } from "node:fs";
import { accountOf } from "../../lib/account.ts";
import { errnoOf, RexecError } from "../../lib/errors.ts";
import { actingUid } from "./identity.ts";

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;

/** For `openOwn`: as the flag `a`. */
export const APPENDING = O_WRONLY | O_APPEND | O_CREAT;

/**
 * Opens a file of the account that this process acts as. A symbolic link is not followed, and a FIFO does not block.
 * @param flags of open(2)
 * @returns the descriptor; the caller closes it
 * @throws RexecError `untrusted_file`; the system's error (`ENOENT`, …)
 */
export function openOwn(path: string, flags: number, mode = 0o600): number {
  const fd = openPlain(path, flags, mode);
  try {
    assertOwn(fstatSync(fd), path);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * The same, of whatever account.
 * @throws RexecError `untrusted_file` where it is a link, a FIFO, a device, …; the system's error
 */
export function openRegular(path: string, flags: number, mode = 0o600): number {
  const fd = openPlain(path, flags, mode);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw untrusted(path, IRREGULAR);
}

/**
 * A folder in which only its owner can add and replace files; a link to one must be the owner's too.
 * @param others permission bits that may not be set
 * @throws RexecError `untrusted_file` where it is another account's
 */
export function assertOwnFolder(folder: string, others = 0o022): void {
  const link = lstatSync(folder);
  if (link.isSymbolicLink()) assertOwner(link, folder, 0);
  const stats = statSync(folder);
  if (!stats.isDirectory()) throw untrusted(folder, "it is no folder");
  assertOwner(stats, folder, others);
}

/** @throws RexecError `untrusted_file` */
export function assertOwner(stats: Stats, path: string, others = 0o022): void {
  const { uid, mode } = stats;
  if (uid !== actingUid()) throw untrusted(path, `it belongs to another account (uid ${uid})`, uid);
  if ((mode & others) !== 0)
    throw untrusted(path, `others may write to it (mode ${(mode & 0o777).toString(8)})`);
}

// --- internal ---

function openPlain(path: string, flags: number, mode: number): number {
  try {
    return openSync(path, flags | O_NOFOLLOW | O_NONBLOCK, mode);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ELOOP") throw untrusted(path, "it is a symbolic link");
    // A FIFO without a reader, or a socket.
    if (code === "ENXIO") throw untrusted(path, IRREGULAR);
    throw error;
  }
}

const IRREGULAR = "it is no regular file";

function assertOwn(stats: Stats, path: string): void {
  if (!stats.isFile()) throw untrusted(path, IRREGULAR);
  assertOwner(stats, path);
}

/** @param uid whose it is */
function untrusted(path: string, why: string, uid?: number): RexecError {
  return new RexecError(`${path} is not used: ${why}`, {
    code: "untrusted_file",
    hint:
      uid === undefined
        ? "look at who made it, and remove it"
        : `run this as that account: sudo -u ${accountOf(uid).name} rexec-agent …`,
  });
}
