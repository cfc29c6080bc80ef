/** Registered agents, with their last known state. */
import * as z from "zod/mini";
import { type SystemInfo, systemInfo } from "../../protocol/v1.ts";
import { brief, COUNTS, LENGTHS, someOf } from "../../protocol/values.ts";
import { tagNeedle, tagOf } from "../auth/agent-selector.ts";
import type { NewToken } from "../auth/token.ts";
import { booleanColumn, jsonColumn, MAX_JSON, validRows } from "./columns.ts";
import type { Database, Queryable } from "./database.ts";
import { grantedTo } from "./grants.ts";
import { countOf, inOrder, type Page } from "./page.ts";
import { insertToken, purgeDeadTokens, type TokenRow } from "./tokens.ts";

const word = brief(LENGTHS.word);

const tagsColumn = z.pipe(
  jsonColumn(someOf(brief(LENGTHS.tag), COUNTS.tags)),
  z.transform((tags) => tags ?? []),
);

/** The limits of the border hold here again: a database may be older than they are. */
const agentRow = z.object({
  id: z.string(),
  user_id: z.string(),
  name: brief(LENGTHS.name),
  description: brief(LENGTHS.description),
  os: word,
  arch: word,
  shell: brief(LENGTHS.shell),
  distro: word,
  /** Those that it was given: rights and rules go by these. */
  tags: tagsColumn,
  created_at: z.string(),
  connected_at: z.nullable(z.string()),
  last_ping: z.nullable(z.string()),
  system_info: jsonColumn(systemInfo),
  /** Of a CI job: deleted once it has been away for `ephemeralMs`. */
  ephemeral: booleanColumn,
  /** It waits until it is accepted: it connects to nothing, and cannot be used. */
  pending: booleanColumn,
  /** The join token that registered it, which may be gone. */
  joined_by: z.nullable(z.string()),
  /** The names that it may give itself; null for any. */
  name_pattern: z.nullable(z.string()),
  /** Tags that it gave itself: they are shown, and decide nothing. */
  own_tags: tagsColumn,
});
export type AgentRow = z.infer<typeof agentRow>;

/** The fields of a registration. */
export type AgentDetails = Pick<
  AgentRow,
  "name" | "description" | "os" | "arch" | "shell" | "distro" | "tags" | "ephemeral"
>;

/** Whose agents are seen. `all`: those of every user; `only`: these ids and tags, empty for no restriction. */
export interface Sight {
  userId: string;
  all: boolean;
  only: readonly string[];
}

/** What may change of an agent. */
export type AgentChanges = Partial<AgentDetails & Pick<AgentRow, "own_tags">>;

/** The table of agents. Owned by the store; methods reject with the database's error. */
export class Agents {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The agent and the token that it will connect with: both or neither. Null where the user has `most` agents. */
  async register(
    userId: string,
    details: AgentDetails,
    token: NewToken,
    tokenName: string,
    scopes: readonly string[],
    most: number,
  ): Promise<{ agent: AgentRow; token: TokenRow } | null> {
    const free = { pending: false, joined_by: null, name_pattern: null, own_tags: [] };
    return this.#database.transaction(async (sql) => {
      if ((await countOf(sql`SELECT COUNT(*) AS n FROM agents WHERE user_id = ${userId}`)) >= most)
        return null;
      return insertAgent(sql, userId, { ...details, ...free }, { token, name: tokenName, scopes });
    });
  }

  async get(id: string): Promise<AgentRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM agents WHERE id = ${id}`);
    return validRows(agentRow, rows)[0] ?? null;
  }

  /** Agents of all users. */
  count(): Promise<number> {
    return this.#database.run((sql) => countOf(sql`SELECT COUNT(*) AS n FROM agents`));
  }

  /**
   * In the order of their registration; without those that wait to be accepted, or these alone.
   * @param page null for all, which the user's quota bounds
   */
  async listOfUser(userId: string, page: Page | null = null, pending = false): Promise<AgentRow[]> {
    const rows = await this.#database.run(
      (sql) =>
        sql`SELECT * FROM agents WHERE user_id = ${userId} AND pending = ${pending} ${inOrder(sql, page)}`,
    );
    return validRows(agentRow, rows);
  }

  /**
   * As `listOfUser`, with the agents of others that the user has a right to; one that waits is seen by its owner alone.
   * @param whose `all`: those of every user; `only`: restricted to these ids and tags, empty for no restriction
   */
  async listVisible(whose: Sight, page: Page | null = null, pending = false): Promise<AgentRow[]> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM agents WHERE ${visibleTo(sql, whose, pending)} ${inOrder(sql, page)}`,
    );
    return validRows(agentRow, rows);
  }

  /** Lets an agent in that waits. @returns false where it does not wait (any more) */
  async accept(id: string): Promise<boolean> {
    const rows: unknown = await this.#database.run(
      (sql) => sql`UPDATE agents SET pending = ${false} WHERE id = ${id} AND pending RETURNING id`,
    );
    return Array.isArray(rows) && rows.length > 0;
  }

  /** True where another agent of the user has that name. */
  async hasNamesake({ id, user_id, name }: Pick<AgentRow, "id" | "user_id" | "name">): Promise<boolean> {
    const rows: unknown = await this.#database.run(
      (sql) =>
        sql`SELECT id FROM agents WHERE user_id = ${user_id} AND name = ${name} AND id <> ${id} LIMIT 1`,
    );
    return Array.isArray(rows) && rows.length > 0;
  }

  /** Changes the given fields. */
  async update(id: string, changes: AgentChanges): Promise<void> {
    const { tags, own_tags, ...texts } = changes;
    const columns = {
      ...texts,
      ...(tags ? { tags: JSON.stringify(tags) } : {}),
      ...(own_tags ? { own_tags: JSON.stringify(own_tags) } : {}),
    };
    if (Object.keys(columns).length === 0) return;
    await this.#database.run((sql) => sql`UPDATE agents SET ${sql(columns)} WHERE id = ${id}`);
  }

  async markConnected(id: string, at: string): Promise<void> {
    await this.#database.run(
      (sql) => sql`UPDATE agents SET connected_at = ${at}, last_ping = ${at} WHERE id = ${id}`,
    );
  }

  /** Rejects at once where another process holds the database: waiting would hold up every session, and the next one comes. */
  async markPing(id: string, at: string): Promise<void> {
    await this.#database.transactionNow((sql) => sql`UPDATE agents SET last_ping = ${at} WHERE id = ${id}`);
  }

  async setSystemInfo(id: string, info: SystemInfo): Promise<void> {
    await this.#database.run(
      (sql) => sql`UPDATE agents SET system_info = ${JSON.stringify(info)} WHERE id = ${id}`,
    );
  }

  /** Drops system info from before the limits: it would be read with every list. */
  async dropOversized(): Promise<void> {
    await this.#database.run(
      (sql) => sql`UPDATE agents SET system_info = NULL WHERE LENGTH(system_info) > ${MAX_JSON}`,
    );
  }

  /** Ephemeral agents that have been silent since `at` (RFC 3339). */
  async ephemeralSince(at: string): Promise<Pick<AgentRow, "id" | "name" | "user_id">[]> {
    const rows = await this.#database.run(
      (sql) =>
        sql`SELECT id, name, user_id FROM agents WHERE ephemeral AND COALESCE(last_ping, created_at) < ${at} ORDER BY id`,
    );
    return z.array(z.pick(agentRow, { id: true, name: true, user_id: true })).parse(rows);
  }

  /** Deletes an ephemeral agent and its tokens: there are thousands, and their revoked tokens would fill the list. */
  async forget(id: string): Promise<void> {
    await this.#database.transaction((sql) => erase(sql, id));
  }

  /** As `forget`, unless the agent has been heard of since. @param at RFC 3339 @returns whether it is forgotten */
  async forgetSilent(id: string, at: string): Promise<boolean> {
    return this.#database.transaction(async (sql) => {
      const silent = sql`SELECT COUNT(*) AS n FROM agents WHERE id = ${id} AND COALESCE(last_ping, created_at) < ${at}`;
      if ((await countOf(silent)) === 0) return false;
      await erase(sql, id);
      return true;
    });
  }

  /** Deletes the agent and revokes its tokens, which stay listed. Answers false where there is none. */
  async delete(id: string): Promise<boolean> {
    const now = new Date().toISOString();
    return this.#database.transaction(async (sql) => {
      await sql`UPDATE tokens SET revoked_at = ${now} WHERE agent_id = ${id} AND revoked_at IS NULL`;
      const owner = sql`SELECT user_id FROM agents WHERE id = ${id}`;
      await purgeDeadTokens(sql, owner);
      const rows: unknown = await sql`DELETE FROM agents WHERE id = ${id} RETURNING id`;
      return Array.isArray(rows) && rows.length > 0;
    });
  }
}

/** The condition for agents that are seen. @param pending those that wait to be let in, and no others */
export function visibleTo(sql: Queryable, { userId, all, only }: Sight, pending = false) {
  const own = sql`user_id = ${userId}`;
  const owned = pending ? own : sql`(${own} OR ${grantedTo(sql, userId)})`;
  return sql`pending = ${pending} AND ${all ? sql`1 = 1` : owned} AND ${among(sql, only)}`;
}

/** All tags of an agent: those that it was given, and those that it gave itself. */
export function shownTags({ tags, own_tags }: Pick<AgentRow, "tags" | "own_tags">): string[] {
  return [...tags, ...own_tags.filter((tag) => !tags.includes(tag))].slice(0, COUNTS.tags);
}

/** The agent and the token that it will connect with, inside the caller's transaction. */
export async function insertAgent(
  sql: Queryable,
  userId: string,
  details: Omit<AgentRow, "id" | "user_id" | "created_at" | "connected_at" | "last_ping" | "system_info">,
  grant: { token: NewToken; name: string; scopes: readonly string[] },
): Promise<{ agent: AgentRow; token: TokenRow }> {
  const agent: AgentRow = {
    ...details,
    id: crypto.randomUUID(),
    user_id: userId,
    created_at: new Date().toISOString(),
    connected_at: null,
    last_ping: null,
    system_info: null,
  };
  const { tags, own_tags } = agent;
  const lists = { tags: JSON.stringify(tags), own_tags: JSON.stringify(own_tags) };
  await sql`INSERT INTO agents ${sql({ ...agent, ...lists })}`;
  const { token, ...its } = grant;
  return { agent, token: await insertToken(sql, token, { userId, agentId: agent.id, ...its }) };
}

// --- internal ---

/** The condition for agents that one of the selectors names. */
function among(sql: Queryable, only: readonly string[]) {
  if (only.length === 0) return sql`1 = 1`;
  const each = only.map((selector) => {
    const tag = tagOf(selector);
    return tag === null ? sql`id = ${selector}` : sql`REPLACE(tags, ${tagNeedle(tag)}, '') <> tags`;
  });
  return sql`(${each.reduce((all, next) => sql`${all} OR ${next}`)})`;
}

async function erase(sql: Queryable, id: string): Promise<void> {
  await sql`DELETE FROM tokens WHERE agent_id = ${id}`;
  await sql`DELETE FROM agents WHERE id = ${id}`;
}
