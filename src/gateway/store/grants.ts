/** Rights of users and groups over agents that are not their own. */
import * as z from "zod/mini";
import { tagNeedle } from "../auth/agent-selector.ts";
import { LEVELS, type Level, reaches } from "../auth/scopes.ts";
import { validRows } from "./columns.ts";
import type { Database, Queryable } from "./database.ts";
import { countOf } from "./page.ts";

const grantRow = z.object({
  id: z.string(),
  user_id: z.nullable(z.string()),
  group_id: z.nullable(z.string()),
  agent_id: z.nullable(z.string()),
  tag: z.nullable(z.string()),
  /** Agents of this user only; null for those of every user. Counts for a tag. */
  owner_id: z.nullable(z.string()),
  level: z.enum(LEVELS),
  created_by: z.string(),
  created_at: z.string(),
});
export type GrantRow = z.infer<typeof grantRow>;

/** A grant with the names of the user or group and of the agent in it. */
const namedGrantRow = z.extend(grantRow, {
  user_name: z.nullable(z.string()),
  group_name: z.nullable(z.string()),
  agent_name: z.nullable(z.string()),
});
export type NamedGrantRow = z.infer<typeof namedGrantRow>;

/** A right that is to be given: to a user or a group, over an agent or a tag. */
export type NewGrant = Omit<GrantRow, "id" | "created_at">;

/** What counts of an agent. */
interface Granted {
  readonly id: string;
  readonly tags: readonly string[];
  readonly user_id: string;
}

/** The table of grants. Owned by the store; methods reject with the database's error. */
export class Grants {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The highest right that the user has over the agent, by itself or by a group; null for none. */
  async levelOf(userId: string, agent: Granted): Promise<Level | null> {
    const rows = await this.#database.run(
      (sql) =>
        sql`SELECT * FROM grants WHERE ${holds(sql, userId)} AND (agent_id = ${agent.id} OR tag IS NOT NULL)`,
    );
    let highest: Level | null = null;
    for (const grant of validRows(grantRow, rows)) {
      if (covers(grant, agent) && !reaches(highest, grant.level)) highest = grant.level;
    }
    return highest;
  }

  /** Replaces what the same user or group had over the same agent or tag. Null where `by` has given `most` already. */
  async give(grant: NewGrant, most: number): Promise<GrantRow | null> {
    const row: GrantRow = { ...grant, id: Bun.randomUUIDv7(), created_at: new Date().toISOString() };
    const tag_needle = grant.tag === null ? null : tagNeedle(grant.tag);
    return this.#database.transaction(async (sql) => {
      await sql`DELETE FROM grants WHERE ${same(sql, "user_id", grant.user_id)} AND ${same(sql, "group_id", grant.group_id)}
        AND ${same(sql, "agent_id", grant.agent_id)} AND ${same(sql, "tag", grant.tag)} AND ${same(sql, "owner_id", grant.owner_id)}`;
      const given = sql`SELECT COUNT(*) AS n FROM grants WHERE created_by = ${grant.created_by}`;
      if ((await countOf(given)) >= most) return null;
      await sql`INSERT INTO grants ${sql({ ...row, tag_needle })}`;
      return row;
    });
  }

  async get(id: string): Promise<GrantRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM grants WHERE id = ${id}`);
    return validRows(grantRow, rows)[0] ?? null;
  }

  /** In the order of their creation. @param of null for all; else those given by, to or over agents of that user */
  async list(of: string | null, limit: number): Promise<NamedGrantRow[]> {
    const rows = await this.#database.run(
      (
        sql,
      ) => sql`SELECT grants.*, users.username AS user_name, groups.name AS group_name, agents.name AS agent_name
        FROM grants
        LEFT JOIN users ON users.id = grants.user_id
        LEFT JOIN groups ON groups.id = grants.group_id
        LEFT JOIN agents ON agents.id = grants.agent_id
        WHERE ${of === null ? sql`1 = 1` : sql`(grants.created_by = ${of} OR agents.user_id = ${of} OR grants.user_id = ${of})`}
        ORDER BY grants.created_at, grants.id LIMIT ${limit}`,
    );
    return validRows(namedGrantRow, rows);
  }

  /** False where there is no such grant any more. */
  async take(id: string): Promise<boolean> {
    const rows: unknown = await this.#database.run(
      (sql) => sql`DELETE FROM grants WHERE id = ${id} RETURNING id`,
    );
    return Array.isArray(rows) && rows.length > 0;
  }
}

/** The condition for agents that a grant lets the user see. */
export function grantedTo(sql: Queryable, userId: string) {
  return sql`EXISTS (SELECT 1 FROM grants WHERE ${holds(sql, userId)} AND (grants.agent_id = agents.id
    OR (grants.tag_needle IS NOT NULL AND REPLACE(agents.tags, grants.tag_needle, '') <> agents.tags
      AND (grants.owner_id IS NULL OR grants.owner_id = agents.user_id))))`;
}

// --- internal ---

/** The condition for grants that the user has, by itself or by a group. */
function holds(sql: Queryable, userId: string) {
  return sql`(grants.user_id = ${userId}
    OR grants.group_id IN (SELECT group_id FROM group_members WHERE group_members.user_id = ${userId}))`;
}

function covers(grant: GrantRow, agent: Granted): boolean {
  if (grant.tag === null) return grant.agent_id === agent.id;
  return agent.tags.includes(grant.tag) && (grant.owner_id === null || grant.owner_id === agent.user_id);
}

/** `column = value`, where NULL is a value. */
function same(sql: Queryable, column: keyof GrantRow, value: string | null) {
  return value === null ? sql`${sql(column)} IS NULL` : sql`${sql(column)} = ${value}`;
}
