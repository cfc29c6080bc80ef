/** Files of the first administrator's secrets, for a start without a terminal. Only their owner can read them. */
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
  return keep(dataDir, "admin-token", token, {
    what: "the administrator's token",
    hint: "make another one: rexec serve --new-admin-token (with the same --data)",
  });
}

/** As `keepAdminToken`, of the address of a login link: the file `login-link`. @throws RexecError `token_not_kept` */
export function keepLoginLink(dataDir: string, url: string): string {
  return keep(dataDir, "login-link", url, {
    what: "the login link",
    hint: "make another one: rexec admin login-link (with the same --data)",
  });
}

// --- internal ---

function keep(dataDir: string, name: string, secret: string, { what, hint }: { what: string; hint: string }) {
  const path = join(dataDir, name);
  const temporary = join(dataDir, `.${name}.${crypto.randomUUID()}`);
  try {
    const fd = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      writeSync(fd, `${secret}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    return path;
  } catch (error) {
    removeQuietly(temporary);
    throw new RexecError(`cannot keep ${what} in ${path}: ${messageOf(error)}`, {
      code: "token_not_kept",
      hint,
      cause: error,
    });
  }
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was never made.
  }
}
