/** Join tokens: each registers machines for its user, as often and as long as it says. Only a hash of each is kept. */
import * as z from "zod/mini";
import { brief, COUNTS, LENGTHS, someOf } from "../../protocol/values.ts";
import type { NewToken } from "../auth/token.ts";
import { DEAD_JOINS_LISTED } from "../quotas.ts";
import { type AgentDetails, type AgentRow, insertAgent } from "./agents.ts";
import { booleanColumn, jsonColumn, validRows } from "./columns.ts";
import type { Database, Queryable } from "./database.ts";
import { countOf, inOrder, type Page } from "./page.ts";
import type { TokenRow } from "./tokens.ts";

const joinRow = z.object({
  id: z.string(),
  user_id: z.string(),
  description: brief(LENGTHS.name),
  token_hash: z.string(),
  token_prefix: z.string(),
  /** Put on each machine. */
  tags: z.pipe(
    jsonColumn(someOf(brief(LENGTHS.tag), COUNTS.tags)),
    z.transform((tags) => tags ?? []),
  ),
  /** The names that its machines may have: see `lib/name-pattern.ts`. */
  name_pattern: z.nullable(z.string()),
  /** Its machines are of CI jobs. */
  ephemeral: booleanColumn,
  /** Its machines wait until they are accepted. */
  approve: booleanColumn,
  /** Machines that it registers in all; null for any number. */
  max_uses: z.nullable(z.number()),
  uses: z.number(),
  created_at: z.string(),
  expires_at: z.string(),
  revoked_at: z.nullable(z.string()),
  last_used_at: z.nullable(z.string()),
});
export type JoinRow = z.infer<typeof joinRow>;

/** What a new join token is for. */
export type JoinWish = Pick<
  JoinRow,
  "user_id" | "description" | "tags" | "name_pattern" | "ephemeral" | "approve" | "max_uses" | "expires_at"
>;

/** What a machine is registered with. */
export interface Joining {
  /** What it says of itself; its tags count as its own. */
  details: AgentDetails;
  token: NewToken;
  tokenName: string;
  scopes: readonly string[];
}

/** Most agents of the user, and most of those that wait to be accepted. */
export interface JoinLimits {
  agents: number;
  pending: number;
}

/** Why a join token registers nothing. */
export type JoinEnd = "revoked" | "expired" | "used_up";

/** The table of join tokens. Owned by the store; methods reject with the database's error. */
export class Joins {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Null where the user has `most` join tokens that can still be used. */
  create(token: NewToken, wish: JoinWish, most: number): Promise<JoinRow | null> {
    const now = new Date().toISOString();
    const row: JoinRow = {
      ...wish,
      id: Bun.randomUUIDv7(),
      token_hash: token.hash,
      token_prefix: token.prefix,
      uses: 0,
      created_at: now,
      revoked_at: null,
      last_used_at: null,
    };
    return this.#database.transaction(async (sql) => {
      const live = sql`SELECT COUNT(*) AS n FROM joins WHERE user_id = ${row.user_id} AND ${isLive(sql, now)}`;
      if ((await countOf(live)) >= most) return null;
      await purgeDead(sql, row.user_id, now);
      await sql`INSERT INTO joins ${sql({ ...row, tags: JSON.stringify(row.tags) })}`;
      return row;
    });
  }

  async findByHash(hash: string): Promise<JoinRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM joins WHERE token_hash = ${hash}`);
    return validRows(joinRow, rows)[0] ?? null;
  }

  async get(id: string): Promise<JoinRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM joins WHERE id = ${id}`);
    return validRows(joinRow, rows)[0] ?? null;
  }

  /** In the order in which they were made. @param page null for all, which the user's quotas bound */
  async listOfUser(userId: string, page: Page | null = null): Promise<JoinRow[]> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM joins WHERE user_id = ${userId} ${inOrder(sql, page)}`,
    );
    return validRows(joinRow, rows);
  }

  /** Revokes it for good; the time of the first revocation stays. Its machines stay. */
  async revoke(id: string): Promise<void> {
    const now = new Date().toISOString();
    await this.#database.run(
      (sql) => sql`UPDATE joins SET revoked_at = ${now} WHERE id = ${id} AND revoked_at IS NULL`,
    );
  }

  /**
   * Takes one use and registers a machine with it: both or neither. Of two machines that come at the same moment with
   * the last use, one is registered.
   */
  register(
    join: JoinRow,
    joining: Joining,
    most: JoinLimits,
  ): Promise<{ agent: AgentRow; token: TokenRow } | JoinEnd | keyof JoinLimits> {
    const now = new Date().toISOString();
    const { user_id } = join;
    return this.#database.transaction(async (sql) => {
      const agents = sql`SELECT COUNT(*) AS n FROM agents WHERE user_id = ${user_id}`;
      if ((await countOf(agents)) >= most.agents) return "agents";
      const pending = sql`SELECT COUNT(*) AS n FROM agents WHERE user_id = ${user_id} AND pending`;
      if (join.approve && (await countOf(pending)) >= most.pending) return "pending";
      const taken: unknown = await sql`UPDATE joins SET uses = uses + 1, last_used_at = ${now}
        WHERE id = ${join.id} AND ${isLive(sql, now)} RETURNING id`;
      if (!Array.isArray(taken) || taken.length === 0) {
        const [current] = validRows(joinRow, await sql`SELECT * FROM joins WHERE id = ${join.id}`);
        return (current && endOf(current)) ?? "used_up";
      }
      const { details, token, tokenName, scopes } = joining;
      const joined = {
        ...details,
        tags: join.tags,
        own_tags: details.tags.filter((tag) => !join.tags.includes(tag)),
        ephemeral: details.ephemeral || join.ephemeral,
        pending: join.approve,
        joined_by: join.id,
        name_pattern: join.name_pattern,
      };
      return insertAgent(sql, user_id, joined, { token, name: tokenName, scopes });
    });
  }
}

/** Why it registers nothing any more; null where it does. */
export function endOf(join: JoinRow, now = Date.now()): JoinEnd | null {
  if (join.revoked_at !== null) return "revoked";
  if (join.max_uses !== null && join.uses >= join.max_uses) return "used_up";
  return Date.parse(join.expires_at) <= now ? "expired" : null;
}

// --- internal ---

/** The condition of a join token that still registers. */
function isLive(sql: Queryable, now: string) {
  return sql`revoked_at IS NULL AND expires_at > ${now} AND (max_uses IS NULL OR uses < max_uses)`;
}

/** Deletes those of no use beyond the newest `DEAD_JOINS_LISTED`, so that making and using in turn fills no disk. */
async function purgeDead(sql: Queryable, userId: string, now: string): Promise<void> {
  await sql`DELETE FROM joins WHERE id IN (
    SELECT id FROM joins WHERE user_id = ${userId} AND NOT (${isLive(sql, now)})
    ORDER BY created_at DESC, id DESC LIMIT ${Number.MAX_SAFE_INTEGER} OFFSET ${DEAD_JOINS_LISTED})`;
}
