/** Browser sessions: only a hash of each session's secret is kept. */
import * as z from "zod/mini";
import { brief } from "../../protocol/values.ts";
import { validRows } from "./columns.ts";
import type { Database, Queryable } from "./database.ts";
import { inOrder, type Page } from "./page.ts";

/** How a session was signed in. */
export type SignInMethod = "password" | "login_link" | "invite" | "passkey" | "oidc";

/** Characters of the browser's name that are kept. */
export const USER_AGENT_LENGTH = 256;
const ADDRESS_LENGTH = 64;

const sessionRow = z.object({
  id: z.string(),
  user_id: z.string(),
  method: z.string(),
  address: brief(ADDRESS_LENGTH),
  user_agent: brief(USER_AGENT_LENGTH),
  created_at: z.string(),
  last_seen_at: z.string(),
  expires_at: z.string(),
  revoked_at: z.nullable(z.string()),
});
export type SignInSessionRow = z.infer<typeof sessionRow>;

/** What a new session is made of. */
export interface NewSession {
  userId: string;
  method: SignInMethod;
  address: string;
  userAgent: string;
  /** RFC 3339; the session ends then, whatever its user does. */
  expiresAt: string;
}

/** The table of browser sessions. Owned by the store; methods reject with the database's error. */
export class SignInSessions {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Adds a session, deletes the user's dead ones, and revokes those longest unseen beyond `most`.
   * @param idleSince RFC 3339; a session that was last seen before is dead
   * @returns the session, and the ids of those that it put an end to; null where the user is gone or disabled
   */
  async create(
    hash: string,
    session: NewSession,
    most: number,
    idleSince: string,
  ): Promise<{ session: SignInSessionRow; ended: string[] } | null> {
    const now = new Date().toISOString();
    const row: SignInSessionRow = {
      id: Bun.randomUUIDv7(),
      user_id: session.userId,
      method: session.method,
      address: session.address.slice(0, ADDRESS_LENGTH),
      user_agent: session.userAgent.slice(0, USER_AGENT_LENGTH).toWellFormed(),
      created_at: now,
      last_seen_at: now,
      expires_at: session.expiresAt,
      revoked_at: null,
    };
    return this.#database.transaction(async (sql) => {
      const live = await sql`SELECT id FROM users WHERE id = ${row.user_id} AND disabled_at IS NULL`;
      if (idsOf(live).length === 0) return null;
      await sql`DELETE FROM sign_in_sessions WHERE user_id = ${row.user_id}
        AND (revoked_at IS NOT NULL OR expires_at <= ${now} OR last_seen_at <= ${idleSince})`;
      const ended = await sql`DELETE FROM sign_in_sessions WHERE id IN (
        SELECT id FROM sign_in_sessions WHERE user_id = ${row.user_id}
        ORDER BY last_seen_at DESC, id DESC LIMIT ${Number.MAX_SAFE_INTEGER} OFFSET ${most - 1}) RETURNING id`;
      await sql`INSERT INTO sign_in_sessions ${sql({ ...row, session_hash: hash })}`;
      return { session: row, ended: idsOf(ended) };
    });
  }

  async findByHash(hash: string): Promise<SignInSessionRow | null> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM sign_in_sessions WHERE session_hash = ${hash}`,
    );
    return validRows(sessionRow, rows)[0] ?? null;
  }

  /** The user's sessions that are not revoked and not expired, in the order in which they were made. */
  async listOfUser(userId: string, idleSince: string, page: Page | null = null): Promise<SignInSessionRow[]> {
    const now = new Date().toISOString();
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM sign_in_sessions WHERE user_id = ${userId} AND revoked_at IS NULL
        AND expires_at > ${now} AND last_seen_at > ${idleSince} ${inOrder(sql, page)}`,
    );
    return validRows(sessionRow, rows);
  }

  async markSeen(id: string, at: string, address: string): Promise<void> {
    await this.#database.run(
      (sql) =>
        sql`UPDATE sign_in_sessions SET last_seen_at = ${at}, address = ${address.slice(0, ADDRESS_LENGTH)}
          WHERE id = ${id} AND revoked_at IS NULL`,
    );
  }

  /** Revokes one session of the user. @returns false where there is none that is not revoked */
  async revoke(userId: string, id: string): Promise<boolean> {
    const now = new Date().toISOString();
    const rows = await this.#database.run(
      (sql) => sql`UPDATE sign_in_sessions SET revoked_at = ${now}
        WHERE id = ${id} AND user_id = ${userId} AND revoked_at IS NULL RETURNING id`,
    );
    return idsOf(rows).length > 0;
  }

  /** Revokes all sessions of the user but one. @returns the ids of those that it revoked */
  revokeAll(userId: string, but: string | null = null): Promise<string[]> {
    return this.#database.run((sql) => revokeSessions(sql, userId, but));
  }
}

/** As `SignInSessions.revokeAll`, inside the caller's transaction. */
export async function revokeSessions(
  sql: Queryable,
  userId: string,
  but: string | null = null,
): Promise<string[]> {
  const now = new Date().toISOString();
  const rows = await sql`UPDATE sign_in_sessions SET revoked_at = ${now}
    WHERE user_id = ${userId} AND id <> ${but ?? ""} AND revoked_at IS NULL RETURNING id`;
  return idsOf(rows);
}

// --- internal ---

const idRow = z.object({ id: z.string() });

function idsOf(rows: unknown): string[] {
  return z
    .array(idRow)
    .parse(rows)
    .map(({ id }) => id);
}
