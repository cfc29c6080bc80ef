/** The file of the first administrator's token, for a start without a terminal. Only its owner can read it. */
import { closeSync, constants, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { messageOf, RexecError } from "../lib/errors.ts";

/**
 * Writes `admin-token` in the data folder, mode 0600, in one step. An existing file or symbolic link is replaced, not
 * followed.
 * @returns its path
 * @throws RexecError `token_not_kept`
 */
export function keepAdminToken(dataDir: string, token: string): string {
  const path = join(dataDir, "admin-token");
  const temporary = join(dataDir, `.admin-token.${crypto.randomUUID()}`);
  try {
    const fd = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      writeSync(fd, `${token}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    return path;
  } catch (error) {
    removeQuietly(temporary);
    throw new RexecError(`cannot keep the administrator's token in ${path}: ${messageOf(error)}`, {
      code: "token_not_kept",
      hint: "make another one: rexec serve --new-admin-token (with the same --data)",
      cause: error,
    });
  }
}

// --- internal ---

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was never made.
  }
}
