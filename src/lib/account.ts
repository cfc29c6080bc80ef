/** Accounts of this machine. `os.userInfo()` of Bun 1.4.5 only repeats USER and SHELL, or says "unknown". */
import { readFileSync } from "node:fs";

/** An entry of passwd(5). */
export interface Account {
  readonly name: string;
  readonly home: string;
  /** The login shell; null for an account without a login. */
  readonly shell: string | null;
}

/** Never throws. A uid without an entry (in a container, say) has its number for a name and `/` for a home. */
export function accountOf(uid: number, passwd = "/etc/passwd"): Account {
  const [name, , , , , home, shell] = (inFile(uid, passwd) ?? inDirectory(uid) ?? "").split(":");
  return { name: name || String(uid), home: home?.startsWith("/") ? home : "/", shell: usableShell(shell) };
}

/** The primary group of an account; null for one without an entry. */
export function primaryGroupOf(uid: number, passwd = "/etc/passwd"): number | null {
  const gid = (inFile(uid, passwd) ?? inDirectory(uid))?.split(":")[3];
  return gid && /^\d+$/.test(gid) ? Number(gid) : null;
}

/** The shell; null for the programs that accounts of services have in its place to refuse a login. */
export function usableShell(shell: string | undefined): string | null {
  return shell && !/\/(nologin|false|true|sync)$/.test(shell) ? shell : null;
}

// --- internal ---

/** passwd(5): name, password, uid, gid, comment, home, shell. */
function inFile(uid: number, passwd: string): string | undefined {
  try {
    return readFileSync(passwd, "utf8")
      .split("\n")
      .find((line) => line.split(":")[2] === String(uid));
  } catch {
    return undefined;
  }
}

/** LDAP and the like, through the C library. */
function inDirectory(uid: number): string | undefined {
  try {
    const { stdout, success } = Bun.spawnSync(["getent", "passwd", String(uid)], { timeout: 2_000 });
    return success ? stdout.toString().trim() : undefined;
  } catch {
    return undefined; // there is no getent
  }
}
