/** Shares: one session of an agent, for guests that have the share's token. Only a hash of that is kept. */
import * as z from "zod/mini";
import { brief, LENGTHS } from "../../protocol/values.ts";
import { DEAD_SHARES_LISTED } from "../quotas.ts";
import { validRows } from "./columns.ts";
import type { Database, Queryable } from "./database.ts";
import { countOf, inOrder, type Page } from "./page.ts";

/** What guests may do in the session. */
export const SHARE_LEVELS = ["view", "type"] as const;
export type ShareLevel = (typeof SHARE_LEVELS)[number];

const shareRow = z.object({
  id: z.string(),
  /** Its maker. */
  user_id: z.string(),
  agent_id: z.string(),
  session: z.string(),
  instance: z.string(),
  /** As other viewers are shown its guests. */
  name: brief(LENGTHS.name),
  level: z.enum(SHARE_LEVELS),
  token_hash: z.string(),
  created_at: z.string(),
  expires_at: z.string(),
  revoked_at: z.nullable(z.string()),
  last_used_at: z.nullable(z.string()),
  /** Sockets that were opened with it. */
  uses: z.number(),
});
export type ShareRow = z.infer<typeof shareRow>;

/** A share that is to be made. */
export type NewShare = Pick<
  ShareRow,
  "user_id" | "agent_id" | "session" | "instance" | "name" | "level" | "expires_at"
>;

/** Which shares a list has: those of a user, of a session, or both. */
export interface ShareFilter {
  userId?: string | undefined;
  session?: { agentId: string; session: string } | undefined;
}

/** The table of shares. Owned by the store; methods reject with the database's error. */
export class Shares {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Null where its maker has `most` shares that count already. Forgets the oldest of those that do not. */
  createWithin(hash: string, share: NewShare, most: number): Promise<ShareRow | null> {
    const now = new Date().toISOString();
    const row: ShareRow = {
      ...share,
      id: Bun.randomUUIDv7(),
      token_hash: hash,
      created_at: now,
      revoked_at: null,
      last_used_at: null,
      uses: 0,
    };
    return this.#database.transaction(async (sql) => {
      const live = sql`SELECT COUNT(*) AS n FROM shares
        WHERE user_id = ${share.user_id} AND revoked_at IS NULL AND expires_at > ${now}`;
      if ((await countOf(live)) >= most) return null;
      await sql`INSERT INTO shares ${sql(row)}`;
      await purge(sql, share.user_id, now);
      return row;
    });
  }

  async findByHash(hash: string): Promise<ShareRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM shares WHERE token_hash = ${hash}`);
    return validRows(shareRow, rows)[0] ?? null;
  }

  async get(id: string): Promise<ShareRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM shares WHERE id = ${id}`);
    return validRows(shareRow, rows)[0] ?? null;
  }

  /** In the order in which they were made. @param page null for all, which quotas bound for one user */
  async list({ userId, session }: ShareFilter, page: Page | null): Promise<ShareRow[]> {
    const rows = await this.#database.run((sql) => {
      const ofUser = userId === undefined ? sql`1 = 1` : sql`user_id = ${userId}`;
      const ofSession = session
        ? sql`agent_id = ${session.agentId} AND session = ${session.session}`
        : sql`1 = 1`;
      return sql`SELECT * FROM shares WHERE ${ofUser} AND ${ofSession} ${inOrder(sql, page)}`;
    });
    return validRows(shareRow, rows);
  }

  /** Once: false where it was revoked before, or does not exist. */
  async revoke(id: string): Promise<boolean> {
    const now = new Date().toISOString();
    const rows: unknown = await this.#database.run(
      (sql) =>
        sql`UPDATE shares SET revoked_at = ${now} WHERE id = ${id} AND revoked_at IS NULL RETURNING id`,
    );
    return Array.isArray(rows) && rows.length > 0;
  }

  async markUsed(id: string): Promise<void> {
    const now = new Date().toISOString();
    await this.#database.run(
      (sql) => sql`UPDATE shares SET last_used_at = ${now}, uses = uses + 1 WHERE id = ${id}`,
    );
  }
}

/** Counts no more by itself: the session that it shows may have ended as well. */
export function isOver({ revoked_at, expires_at }: ShareRow, now = Date.now()): boolean {
  return revoked_at !== null || Date.parse(expires_at) <= now;
}

// --- internal ---

/** Making and revoking in turn fills no disk. */
async function purge(sql: Queryable, userId: string, now: string): Promise<void> {
  await sql`DELETE FROM shares WHERE id IN (
    SELECT id FROM shares WHERE user_id = ${userId} AND (revoked_at IS NOT NULL OR expires_at <= ${now})
    ORDER BY created_at DESC, id DESC LIMIT ${Number.MAX_SAFE_INTEGER} OFFSET ${DEAD_SHARES_LISTED})`;
}
