/** Groups of users. */
import * as z from "zod/mini";
import { validRows } from "./columns.ts";
import type { Database, Queryable } from "./database.ts";
import { countOf } from "./page.ts";

const groupRow = z.object({ id: z.string(), name: z.string(), created_at: z.string() });
export type GroupRow = z.infer<typeof groupRow>;

const memberRow = z.object({ group_id: z.string(), user_id: z.string(), username: z.string() });
export type MemberRow = z.infer<typeof memberRow>;

/** By hand, or by a sign-in that says the user's groups anew each time. */
export type MembershipSource = "manual" | "oidc";

/** The tables of groups and their members. Owned by the store; methods reject with the database's error. */
export class Groups {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Null where the name is taken, or there are `most` groups already. */
  async create(name: string, most: number): Promise<GroupRow | null> {
    const row: GroupRow = { id: Bun.randomUUIDv7(), name, created_at: new Date().toISOString() };
    return this.#database.transaction(async (sql) => {
      if ((await countOf(sql`SELECT COUNT(*) AS n FROM groups`)) >= most) return null;
      if ((await countOf(sql`SELECT COUNT(*) AS n FROM groups WHERE name = ${name}`)) > 0) return null;
      await sql`INSERT INTO groups ${sql(row)}`;
      return row;
    });
  }

  /** By its id or its name. */
  async find(reference: string): Promise<GroupRow | null> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM groups WHERE id = ${reference} OR name = ${reference}
        ORDER BY CASE WHEN id = ${reference} THEN 0 ELSE 1 END LIMIT 1`,
    );
    return validRows(groupRow, rows)[0] ?? null;
  }

  /** By name; the number of groups bounds it. */
  async list(): Promise<GroupRow[]> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM groups ORDER BY name`);
    return validRows(groupRow, rows);
  }

  /** Members of all groups, by group and name. */
  async members(): Promise<MemberRow[]> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT group_id, user_id, username FROM group_members
        JOIN users ON users.id = group_members.user_id ORDER BY group_id, username`,
    );
    return validRows(memberRow, rows);
  }

  async delete(id: string): Promise<void> {
    await this.#database.run((sql) => sql`DELETE FROM groups WHERE id = ${id}`);
  }

  /** Makes the user a member, if it is none yet. False where the group has `most` members already. */
  async add(
    groupId: string,
    userId: string,
    most: number,
    source: MembershipSource = "manual",
  ): Promise<boolean> {
    return this.#database.transaction(async (sql) => {
      await sql`DELETE FROM group_members WHERE group_id = ${groupId} AND user_id = ${userId}`;
      if ((await countOf(sql`SELECT COUNT(*) AS n FROM group_members WHERE group_id = ${groupId}`)) >= most)
        return false;
      await insertMember(sql, groupId, userId, source);
      return true;
    });
  }

  async remove(groupId: string, userId: string): Promise<void> {
    await this.#database.run(
      (sql) => sql`DELETE FROM group_members WHERE group_id = ${groupId} AND user_id = ${userId}`,
    );
  }

  /** Replaces the memberships that an earlier sign-in gave; those by hand stay. */
  async signedIn(userId: string, groupIds: readonly string[]): Promise<void> {
    await this.#database.transaction(async (sql) => {
      await sql`DELETE FROM group_members WHERE user_id = ${userId} AND source = 'oidc'`;
      for (const groupId of new Set(groupIds)) {
        const known = sql`SELECT COUNT(*) AS n FROM group_members WHERE group_id = ${groupId} AND user_id = ${userId}`;
        if ((await countOf(known)) === 0) await insertMember(sql, groupId, userId, "oidc");
      }
    });
  }
}

// --- internal ---

async function insertMember(
  sql: Queryable,
  group_id: string,
  user_id: string,
  source: MembershipSource,
): Promise<void> {
  await sql`INSERT INTO group_members ${sql({ group_id, user_id, source })}`;
}
