/** The first administrator, and the ways back in: a token, and a login link. A gateway may be running on the data folder. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { RexecError } from "../lib/errors.ts";
import { appendEntry } from "./audit/append.ts";
import type { AuditEntry, AuditLog } from "./audit/audit.ts";
import { LOGIN_LINK_MS, makeLinkSecret } from "./auth/secrets.ts";
import { makeToken } from "./auth/token.ts";
import { isDatabaseError } from "./store/open.ts";
import { storeProblem } from "./store/problems.ts";
import { openStore, type Store } from "./store/store.ts";
import type { UserRow } from "./store/users.ts";

/** What the very first start makes for its administrator. Both are shown once. */
export interface FirstSecrets {
  token: string;
  /** The secret of a login link: see `loginLinkUrl`. */
  link: string;
}

/** Makes the administrator of an empty store; null where there is one. */
export async function firstAdministrator(store: Store, audit: AuditLog): Promise<FirstSecrets | null> {
  if (await store.users.firstAdmin()) return null;
  const admin = await store.users.create({ username: "admin", name: "Administrator", isAdmin: true });
  audit.record({ action: "user.created", target: admin.username, details: { admin: true } });
  audit.record(adminTokenEntry(admin));
  audit.record({ action: "login_link.created", target: admin.username });
  return { token: await adminTokenFor(store, admin), link: (await loginLinkFor(store, admin)).secret };
}

/** The address to open in a browser. The secret is in the fragment, which no server and no log is given. */
export function loginLinkUrl(publicUrl: string, secret: string): string {
  return `${publicUrl}/login-link#${secret}`;
}

/** Makes a login link; older ones of the same user count no more. @returns its secret, and until when it works (RFC 3339) */
export async function loginLinkFor(store: Store, { id }: Pick<UserRow, "id">) {
  const { secret, hash } = makeLinkSecret();
  const expires_at = new Date(Date.now() + LOGIN_LINK_MS).toISOString();
  await store.links.createLogin(hash, id, expires_at);
  return { secret, expires_at };
}

/**
 * Makes a new token of the administrator in a data folder, if the first one was lost.
 * @throws RexecError `no_admin`, or as `openStore`
 */
export function newAdminToken(dataDir: string): Promise<string> {
  return inFolder(dataDir, async (store) => {
    const admin = await store.users.activeAdmin();
    if (!admin) throw noAdmin(dataDir);
    await appendEntry(store.audits, adminTokenEntry(admin));
    return adminTokenFor(store, admin);
  });
}

/**
 * Makes a login link in a data folder.
 * @param reference user name or id; default the oldest administrator who is not disabled
 * @throws RexecError `no_admin`, `user_not_found`, `user_disabled`, or as `openStore`
 */
export function newLoginLink(dataDir: string, reference?: string) {
  return inFolder(dataDir, async (store) => {
    const user =
      reference === undefined
        ? await store.users.activeAdmin()
        : await store.users.find(reference.trim().toLowerCase());
    if (!user && reference === undefined) throw noAdmin(dataDir);
    if (!user) {
      const hint = "rexec admin users ls lists the users; --data names another folder";
      throw new RexecError(`there is no user "${reference}" in ${dataDir}`, { code: "user_not_found", hint });
    }
    if (user.disabled_at !== null) {
      const hint = `enable the account first: rexec admin users enable ${user.username}`;
      throw new RexecError(`the user ${user.username} is disabled`, { code: "user_disabled", hint });
    }
    await appendEntry(store.audits, { action: "login_link.created", target: user.username });
    return { ...(await loginLinkFor(store, user)), username: user.username };
  });
}

/** A database that fails between opening and serving: a disk that has just filled up. */
export function explained(error: unknown, dataDir: string): unknown {
  if (!isDatabaseError(error)) return error;
  return storeProblem(join(dataDir, "gateway.db"), error, "bad_database");
}

/** Works on the data of a gateway that may be running. @throws RexecError `no_admin` where there is none, or as `openStore` */
export async function inFolder<T>(dataDir: string, work: (store: Store) => Promise<T>): Promise<T> {
  if (!statSync(join(dataDir, "gateway.db"), { throwIfNoEntry: false })) throw noAdmin(dataDir);
  const store = await openStore(dataDir, false);
  try {
    return await work(store);
  } catch (error) {
    throw explained(error, dataDir);
  } finally {
    await store.close();
  }
}

// --- internal ---

function adminTokenEntry({ username }: UserRow): AuditEntry {
  return { action: "token.created", target: "admin", details: { user: username, scopes: "*" } };
}

async function adminTokenFor(store: Store, { id }: UserRow): Promise<string> {
  const made = makeToken();
  await store.tokens.create(made, { userId: id, name: "admin", scopes: ["*"] });
  return made.token;
}

function noAdmin(dataDir: string): RexecError {
  return new RexecError(`there is no gateway's data in ${dataDir}`, {
    code: "no_admin",
    hint: "start the gateway once (rexec serve), or name its folder with --data",
  });
}
