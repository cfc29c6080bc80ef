/** Login links and invites: each works once, and only a hash of its secret is kept. */
import * as z from "zod/mini";
import { brief, LENGTHS } from "../../protocol/values.ts";
import { booleanColumn, validRows } from "./columns.ts";
import type { Database, Queryable } from "./database.ts";
import { countOf, inOrder, type Page } from "./page.ts";
import { insertUser, type NewUser, nameIsTaken, type UserRow } from "./users.ts";

/** Invites that are not accepted and not expired, of a gateway. */
export const MAX_INVITES = 1_000;
/** Used and expired invites that stay listed. */
const DEAD_INVITES_LISTED = 1_000;

const linkRow = z.object({
  id: z.string(),
  kind: z.enum(["login", "invite"]),
  user_id: z.nullable(z.string()),
  name: brief(LENGTHS.name),
  email: brief(LENGTHS.email),
  is_admin: booleanColumn,
  created_by: z.nullable(z.string()),
  created_at: z.string(),
  expires_at: z.string(),
  used_at: z.nullable(z.string()),
});
export type LinkRow = z.infer<typeof linkRow>;

/** An invite to make: the account that it gives, its maker and its end. */
export interface NewInvite {
  name: string;
  email: string;
  isAdmin: boolean;
  /** The administrator's id. */
  createdBy: string;
  /** RFC 3339 */
  expiresAt: string;
}

/** Why an invite was not accepted. */
export type InviteRefusal = "link_invalid" | "name_taken" | "full";

/** The table of one-time links. Owned by the store; methods reject with the database's error. */
export class OneTimeLinks {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Makes a login link of the user. Older ones of the same user count no more. @param expiresAt RFC 3339 */
  async createLogin(hash: string, userId: string, expiresAt: string): Promise<void> {
    const row = newRow({ kind: "login", user_id: userId, expires_at: expiresAt });
    await this.#database.transaction(async (sql) => {
      await sql`DELETE FROM one_time_links WHERE kind = 'login' AND user_id = ${userId}`;
      await sql`INSERT INTO one_time_links ${sql({ ...row, link_hash: hash })}`;
    });
  }

  /** Null where there are `MAX_INVITES` that wait. */
  async createInvite(hash: string, invite: NewInvite): Promise<LinkRow | null> {
    const row = newRow({
      kind: "invite",
      name: invite.name,
      email: invite.email,
      is_admin: invite.isAdmin,
      created_by: invite.createdBy,
      expires_at: invite.expiresAt,
    });
    return this.#database.transaction(async (sql) => {
      const now = row.created_at;
      const waiting = sql`SELECT COUNT(*) AS n FROM one_time_links
        WHERE kind = 'invite' AND used_at IS NULL AND expires_at > ${now}`;
      if ((await countOf(waiting)) >= MAX_INVITES) return null;
      await sql`DELETE FROM one_time_links WHERE id IN (
        SELECT id FROM one_time_links WHERE kind = 'invite' AND (used_at IS NOT NULL OR expires_at <= ${now})
        ORDER BY created_at DESC, id DESC LIMIT ${Number.MAX_SAFE_INTEGER} OFFSET ${DEAD_INVITES_LISTED})`;
      await sql`INSERT INTO one_time_links ${sql({ ...row, link_hash: hash })}`;
      return row;
    });
  }

  /** True for an invite that can be accepted. It is not used by this. */
  isLiveInvite(hash: string): Promise<boolean> {
    return this.#database.run((sql) => isLiveInvite(sql, hash));
  }

  /** Uses a login link. @returns the id of its user; null where it is unknown, used or expired */
  async useLogin(hash: string): Promise<string | null> {
    const now = new Date().toISOString();
    const rows = await this.#database.run(
      (sql) => sql`UPDATE one_time_links SET used_at = ${now}
        WHERE link_hash = ${hash} AND kind = 'login' AND used_at IS NULL AND expires_at > ${now} RETURNING *`,
    );
    return validRows(linkRow, rows)[0]?.user_id ?? null;
  }

  /**
   * Uses an invite and makes its user: both or neither. A name that is taken leaves the invite as it is.
   * @param user its role and its e-mail address are the invite's
   * @param most users that the gateway may have
   */
  async acceptInvite(
    hash: string,
    user: Omit<NewUser, "isAdmin" | "email">,
    most: number,
  ): Promise<{ user: UserRow; invite: LinkRow } | InviteRefusal> {
    const now = new Date().toISOString();
    return this.#database.transaction(async (sql) => {
      if (!(await isLiveInvite(sql, hash))) return "link_invalid";
      if (await nameIsTaken(sql, user.username)) return "name_taken";
      if ((await countOf(sql`SELECT COUNT(*) AS n FROM users`)) >= most) return "full";
      const rows = await sql`UPDATE one_time_links SET used_at = ${now}
        WHERE link_hash = ${hash} AND kind = 'invite' AND used_at IS NULL RETURNING *`;
      const [invite] = validRows(linkRow, rows);
      if (!invite) return "link_invalid";
      const { email, is_admin: isAdmin } = invite;
      const made = await insertUser(sql, { ...user, email, isAdmin });
      await sql`UPDATE one_time_links SET user_id = ${made.id} WHERE id = ${invite.id}`;
      return { user: made, invite };
    });
  }

  /** In the order in which they were made. @param page null for all, which `MAX_INVITES` bounds */
  async listInvites(page: Page | null): Promise<LinkRow[]> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM one_time_links WHERE kind = 'invite' ${inOrder(sql, page)}`,
    );
    return validRows(linkRow, rows);
  }

  /** Takes back an invite that was not accepted. @returns it; null where there is none */
  async withdrawInvite(id: string): Promise<LinkRow | null> {
    const rows = await this.#database.run(
      (sql) =>
        sql`DELETE FROM one_time_links WHERE id = ${id} AND kind = 'invite' AND used_at IS NULL RETURNING *`,
    );
    return validRows(linkRow, rows)[0] ?? null;
  }
}

// --- internal ---

/** An invite counts for as long as its maker may invite. */
async function isLiveInvite(sql: Queryable, hash: string): Promise<boolean> {
  const now = new Date().toISOString();
  const makers = sql`SELECT id FROM users WHERE is_admin = ${true} AND disabled_at IS NULL`;
  const live = sql`SELECT COUNT(*) AS n FROM one_time_links WHERE link_hash = ${hash} AND kind = 'invite'
    AND used_at IS NULL AND expires_at > ${now} AND created_by IN (${makers})`;
  return (await countOf(live)) > 0;
}

function newRow(its: Partial<LinkRow> & Pick<LinkRow, "kind" | "expires_at">): LinkRow {
  return {
    id: Bun.randomUUIDv7(),
    user_id: null,
    name: "",
    email: "",
    is_admin: false,
    created_by: null,
    created_at: new Date().toISOString(),
    used_at: null,
    ...its,
  };
}
