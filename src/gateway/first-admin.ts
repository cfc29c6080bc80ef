/** The administrator of a new data folder, and a new token where the first one was lost. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { RexecError } from "../lib/errors.ts";
import { appendEntry } from "./audit/append.ts";
import type { AuditEntry, AuditLog } from "./audit/audit.ts";
import { makeToken } from "./auth/token.ts";
import { isDatabaseError } from "./store/open.ts";
import { storeProblem } from "./store/problems.ts";
import { openStore, type Store } from "./store/store.ts";
import type { UserRow } from "./store/users.ts";

/** Makes the first administrator where there is none. @returns its token, or null */
export async function firstToken(store: Store, audit: AuditLog): Promise<string | null> {
  if (await store.users.firstAdmin()) return null;
  const admin = await store.users.create({ username: "admin", name: "Administrator", isAdmin: true });
  audit.record({ action: "user.created", target: admin.username, details: { admin: true } });
  audit.record(adminTokenEntry(admin));
  return adminTokenFor(store, admin.id);
}

/**
 * Makes a new token of the administrator in a data folder, if the first one was lost. A gateway may be running on it.
 * @throws RexecError `no_admin`, or as `openStore`
 */
export async function newAdminToken(dataDir: string): Promise<string> {
  if (!statSync(join(dataDir, "gateway.db"), { throwIfNoEntry: false })) throw noAdmin(dataDir);
  const store = await openStore(dataDir, false);
  try {
    const admin = await store.users.firstAdmin();
    if (!admin) throw noAdmin(dataDir);
    await appendEntry(store.audits, adminTokenEntry(admin));
    return await adminTokenFor(store, admin.id);
  } catch (error) {
    throw explained(error, dataDir);
  } finally {
    await store.close();
  }
}

/** A database that fails between opening and serving: a disk that has just filled up. */
export function explained(error: unknown, dataDir: string): unknown {
  if (!isDatabaseError(error)) return error;
  return storeProblem(join(dataDir, "gateway.db"), error, "bad_database");
}

// --- internal ---

function adminTokenEntry({ username }: UserRow): AuditEntry {
  return { action: "token.created", target: "admin", details: { user: username, scopes: "*" } };
}

async function adminTokenFor(store: Store, userId: string): Promise<string> {
  const made = makeToken();
  await store.tokens.create(made, { userId, name: "admin", scopes: ["*"] });
  return made.token;
}

function noAdmin(dataDir: string): RexecError {
  return new RexecError(`there is no gateway's data in ${dataDir}`, {
    code: "no_admin",
    hint: "start the gateway once (rexec serve), or name its folder with --data",
  });
}
