/** API tokens: only a hash of each is kept. */
import * as z from "zod/mini";
import { brief, COUNTS, LENGTHS, someOf } from "../../protocol/values.ts";
import type { NewToken } from "../auth/token.ts";
import { DEAD_TOKENS_LISTED } from "../quotas.ts";
import { jsonColumn, validRows } from "./columns.ts";
import type { Database, Queryable } from "./database.ts";
import { countOf, inOrder, type Page } from "./page.ts";

/** Characters of a selector: `tag:` and a tag. */
const ONLY_LENGTH = LENGTHS.tag + 4;

const tokenRow = z.object({
  id: z.string(),
  user_id: z.string(),
  agent_id: z.nullable(z.string()),
  name: brief(LENGTHS.name + "agent: ".length),
  token_hash: z.string(),
  token_prefix: z.string(),
  scopes: z.pipe(
    jsonColumn(someOf(brief(LENGTHS.word), COUNTS.scopes)),
    z.transform((scopes) => scopes ?? []),
  ),
  created_at: z.string(),
  expires_at: z.nullable(z.string()),
  revoked_at: z.nullable(z.string()),
  last_used_at: z.nullable(z.string()),
  /** Agents that it is restricted to: ids and `tag:NAME`. Damaged text restricts it to none. */
  only_agents: z.pipe(
    jsonColumn(someOf(brief(ONLY_LENGTH), COUNTS.tags)),
    z.transform((only) => only ?? ["nothing"]),
  ),
});
export type TokenRow = z.infer<typeof tokenRow>;

/** What a new token is for. */
export interface TokenGrant {
  userId: string;
  /** The one agent that it may connect. */
  agentId?: string | null;
  name: string;
  scopes: readonly string[];
  expiresAt?: string | null;
  /** Agents that it is restricted to: ids and `tag:NAME`; default none, for no restriction. */
  only?: readonly string[];
}

/** The table of tokens. Owned by the store; methods reject with the database's error. */
export class Tokens {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  create(token: NewToken, grant: TokenGrant): Promise<TokenRow> {
    return this.#database.run((sql) => insertToken(sql, token, grant));
  }

  /** As `create`; null where there are `most` live tokens of that agent, or of that user and no agent, already. */
  createWithin(token: NewToken, grant: TokenGrant, most: number): Promise<TokenRow | null> {
    const now = new Date().toISOString();
    return this.#database.transaction(async (sql) => {
      const owner = grant.agentId
        ? sql`agent_id = ${grant.agentId}`
        : sql`user_id = ${grant.userId} AND agent_id IS NULL`;
      const live = sql`SELECT COUNT(*) AS n FROM tokens
        WHERE ${owner} AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ${now})`;
      if ((await countOf(live)) >= most) return null;
      await purgeDeadTokens(sql, sql`SELECT ${grant.userId}`);
      return insertToken(sql, token, grant);
    });
  }

  async findByHash(hash: string): Promise<TokenRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM tokens WHERE token_hash = ${hash}`);
    return z.array(tokenRow).parse(rows)[0] ?? null;
  }

  async get(id: string): Promise<TokenRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM tokens WHERE id = ${id}`);
    return z.array(tokenRow).parse(rows)[0] ?? null;
  }

  /** In the order in which they were made. @param page null for all, which the user's quotas bound */
  async listOfUser(userId: string, page: Page | null = null): Promise<TokenRow[]> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM tokens WHERE user_id = ${userId} ${inOrder(sql, page)}`,
    );
    return validRows(tokenRow, rows);
  }

  /** Tokens of all users in the order in which they were made. @param ofAgents those of agents, or those of users */
  async listOfAll(ofAgents: boolean, most: number): Promise<TokenRow[]> {
    const rows = await this.#database.run((sql) => {
      const kind = ofAgents ? sql`agent_id IS NOT NULL` : sql`agent_id IS NULL`;
      return sql`SELECT * FROM tokens WHERE ${kind} ORDER BY created_at, id LIMIT ${most}`;
    });
    return validRows(tokenRow, rows);
  }

  /** Ids of those that were revoked at a time or later. @param since RFC 3339 */
  async revokedSince(since: string): Promise<string[]> {
    const rows = await this.#database.run((sql) => sql`SELECT id FROM tokens WHERE revoked_at >= ${since}`);
    return z
      .array(z.object({ id: z.string() }))
      .parse(rows)
      .map(({ id }) => id);
  }

  /** Revokes it for good; once revoked, the time stays. */
  async revoke(id: string): Promise<void> {
    const now = new Date().toISOString();
    await this.#database.transaction(async (sql) => {
      await sql`UPDATE tokens SET revoked_at = ${now} WHERE id = ${id} AND revoked_at IS NULL`;
      await purgeDeadTokens(sql, sql`SELECT user_id FROM tokens WHERE id = ${id}`);
    });
  }

  async markUsed(id: string, at: string): Promise<void> {
    await this.#database.run((sql) => sql`UPDATE tokens SET last_used_at = ${at} WHERE id = ${id}`);
  }
}

/**
 * Deletes revoked and expired tokens of a user beyond the newest `DEAD_TOKENS_LISTED`, so that making and revoking
 * in turn fills no disk.
 * @param user a query for the user's id
 */
export async function purgeDeadTokens(sql: Queryable, user: PromiseLike<unknown>): Promise<void> {
  const now = new Date().toISOString();
  await sql`DELETE FROM tokens WHERE id IN (
    SELECT id FROM tokens WHERE user_id = (${user}) AND (revoked_at IS NOT NULL OR expires_at <= ${now})
    ORDER BY created_at DESC, id DESC LIMIT ${Number.MAX_SAFE_INTEGER} OFFSET ${DEAD_TOKENS_LISTED})`;
}

/** As `Tokens.create`, inside the caller's transaction. */
export async function insertToken(sql: Queryable, token: NewToken, grant: TokenGrant): Promise<TokenRow> {
  const row: TokenRow = {
    id: Bun.randomUUIDv7(),
    user_id: grant.userId,
    agent_id: grant.agentId ?? null,
    name: grant.name,
    token_hash: token.hash,
    token_prefix: token.prefix,
    scopes: [...grant.scopes],
    created_at: new Date().toISOString(),
    expires_at: grant.expiresAt ?? null,
    revoked_at: null,
    last_used_at: null,
    only_agents: [...(grant.only ?? [])],
  };
  const columns = {
    ...row,
    scopes: JSON.stringify(row.scopes),
    only_agents: JSON.stringify(row.only_agents),
  };
  await sql`INSERT INTO tokens ${sql(columns)}`;
  return row;
}
