/** API tokens: only a hash of each is kept. */
import * as z from "zod/mini";
import { brief, COUNTS, LENGTHS, someOf } from "../../protocol/values.ts";
import type { NewToken } from "../auth/token.ts";
import { jsonColumn, validRows } from "./columns.ts";
import type { Database, Queryable } from "./database.ts";

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
}

export class Tokens {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  create(token: NewToken, grant: TokenGrant): Promise<TokenRow> {
    return this.#database.run((sql) => insertToken(sql, token, grant));
  }

  async findByHash(hash: string): Promise<TokenRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM tokens WHERE token_hash = ${hash}`);
    return z.array(tokenRow).parse(rows)[0] ?? null;
  }

  async get(id: string): Promise<TokenRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM tokens WHERE id = ${id}`);
    return z.array(tokenRow).parse(rows)[0] ?? null;
  }

  async listOfUser(userId: string): Promise<TokenRow[]> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM tokens WHERE user_id = ${userId} ORDER BY created_at, id`,
    );
    return validRows(tokenRow, rows);
  }

  /** Revokes it for good; once revoked, the time stays. */
  async revoke(id: string): Promise<void> {
    const now = new Date().toISOString();
    await this.#database.run(
      (sql) => sql`UPDATE tokens SET revoked_at = ${now} WHERE id = ${id} AND revoked_at IS NULL`,
    );
  }

  async markUsed(id: string, at: string): Promise<void> {
    await this.#database.run((sql) => sql`UPDATE tokens SET last_used_at = ${at} WHERE id = ${id}`);
  }
}

/** As `Tokens.create`, inside someone's transaction. */
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
  };
  await sql`INSERT INTO tokens ${sql({ ...row, scopes: JSON.stringify(row.scopes) })}`;
  return row;
}
