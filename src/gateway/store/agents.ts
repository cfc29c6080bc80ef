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
  tags: z.pipe(
    jsonColumn(someOf(brief(LENGTHS.tag), COUNTS.tags)),
    z.transform((tags) => tags ?? []),
  ),
  created_at: z.string(),
  connected_at: z.nullable(z.string()),
  last_ping: z.nullable(z.string()),
  system_info: jsonColumn(systemInfo),
  /** Of a CI job: deleted once it has been away for `ephemeralMs`. */
  ephemeral: booleanColumn,
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
    const agent: AgentRow = {
      ...details,
      id: crypto.randomUUID(),
      user_id: userId,
      created_at: new Date().toISOString(),
      connected_at: null,
      last_ping: null,
      system_info: null,
    };
    return this.#database.transaction(async (sql) => {
      if ((await countOf(sql`SELECT COUNT(*) AS n FROM agents WHERE user_id = ${userId}`)) >= most)
        return null;
      await sql`INSERT INTO agents ${sql({ ...agent, tags: JSON.stringify(agent.tags) })}`;
      const grant = { userId, agentId: agent.id, name: tokenName, scopes };
      return { agent, token: await insertToken(sql, token, grant) };
    });
  }

  async get(id: string): Promise<AgentRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM agents WHERE id = ${id}`);
    return validRows(agentRow, rows)[0] ?? null;
  }

  /** In the order of their registration. @param page null for all, which the user's quota bounds */
  async listOfUser(userId: string, page: Page | null = null): Promise<AgentRow[]> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM agents WHERE user_id = ${userId} ${inOrder(sql, page)}`,
    );
    return validRows(agentRow, rows);
  }

  /**
   * As `listOfUser`, with the agents of others that the user has a right to.
   * @param whose `all`: those of every user; `only`: restricted to these ids and tags, empty for no restriction
   */
  async listVisible(whose: Sight, page: Page | null = null): Promise<AgentRow[]> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM agents WHERE ${visibleTo(sql, whose)} ${inOrder(sql, page)}`,
    );
    return validRows(agentRow, rows);
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
  async update(id: string, changes: Partial<AgentDetails>): Promise<void> {
    const { tags, ...texts } = changes;
    const columns = { ...texts, ...(tags ? { tags: JSON.stringify(tags) } : {}) };
    if (Object.keys(columns).length === 0) return;
    await this.#database.run((sql) => sql`UPDATE agents SET ${sql(columns)} WHERE id = ${id}`);
  }

  async markConnected(id: string, at: string): Promise<void> {
    await this.#database.run(
      (sql) => sql`UPDATE agents SET connected_at = ${at}, last_ping = ${at} WHERE id = ${id}`,
    );
  }

  async markPing(id: string, at: string): Promise<void> {
    await this.#database.run((sql) => sql`UPDATE agents SET last_ping = ${at} WHERE id = ${id}`);
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

/** The condition for agents that are seen. */
export function visibleTo(sql: Queryable, { userId, all, only }: Sight) {
  const seen = all ? sql`1 = 1` : sql`(user_id = ${userId} OR ${grantedTo(sql, userId)})`;
  return sql`${seen} AND ${among(sql, only)}`;
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
