/** Second factors: one authenticator app and the recovery codes of each user. */
import * as z from "zod/mini";
import { validRows } from "./columns.ts";
import type { Database, Queryable } from "./database.ts";
import { countOf } from "./page.ts";

const totpRow = z.object({
  user_id: z.string(),
  /** Base 32. */
  secret: z.string(),
  /** The newest time step whose code was accepted. */
  last_counter: z.coerce.number(),
  created_at: z.string(),
  /** Null until the first code has shown that the app has the secret. */
  confirmed_at: z.nullable(z.string()),
});
export type TotpRow = z.infer<typeof totpRow>;

/** The tables of second factors. Owned by the store; methods reject with the database's error. */
export class Factors {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The authenticator app, confirmed or not. */
  async totp(userId: string): Promise<TotpRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM totp_factors WHERE user_id = ${userId}`);
    return validRows(totpRow, rows)[0] ?? null;
  }

  /** Keeps a secret that waits for its first code. False where a confirmed one is there: it is removed first. */
  async beginTotp(userId: string, secret: string): Promise<boolean> {
    const now = new Date().toISOString();
    return this.#database.transaction(async (sql) => {
      await sql`DELETE FROM totp_factors WHERE user_id = ${userId} AND confirmed_at IS NULL`;
      const known = sql`SELECT COUNT(*) AS n FROM totp_factors WHERE user_id = ${userId}`;
      if ((await countOf(known)) > 0) return false;
      await sql`INSERT INTO totp_factors ${sql({
        user_id: userId,
        secret,
        last_counter: -1,
        created_at: now,
        confirmed_at: null,
      })}`;
      return true;
    });
  }

  /**
   * Confirms the waiting secret by the code of a time step, and replaces the recovery codes.
   * @returns false where no such secret waits
   */
  async confirmTotp(
    userId: string,
    secret: string,
    counter: number,
    codeHashes: readonly string[],
  ): Promise<boolean> {
    const now = new Date().toISOString();
    return this.#database.transaction(async (sql) => {
      const rows: unknown = await sql`UPDATE totp_factors SET confirmed_at = ${now}, last_counter = ${counter}
        WHERE user_id = ${userId} AND secret = ${secret} AND confirmed_at IS NULL RETURNING user_id`;
      if (!Array.isArray(rows) || rows.length === 0) return false;
      await replaceCodes(sql, userId, codeHashes, now);
      return true;
    });
  }

  /** Uses a time step of a confirmed app up. False where this step, or a later one, was used before. */
  async useCounter(userId: string, counter: number): Promise<boolean> {
    const rows: unknown = await this.#database.run(
      (sql) => sql`UPDATE totp_factors SET last_counter = ${counter}
        WHERE user_id = ${userId} AND confirmed_at IS NOT NULL AND last_counter < ${counter} RETURNING user_id`,
    );
    return Array.isArray(rows) && rows.length === 1;
  }

  /** Removes the app and the recovery codes. False where there was none. */
  async removeTotp(userId: string): Promise<boolean> {
    return this.#database.transaction(async (sql) => {
      await sql`DELETE FROM recovery_codes WHERE user_id = ${userId}`;
      const rows: unknown =
        await sql`DELETE FROM totp_factors WHERE user_id = ${userId} RETURNING confirmed_at`;
      return Array.isArray(rows) && rows.length === 1;
    });
  }

  /** Uses a recovery code up. False where it is unknown or was used before. */
  async useRecoveryCode(userId: string, codeHash: string): Promise<boolean> {
    const rows: unknown = await this.#database.run(
      (sql) => sql`UPDATE recovery_codes SET used_at = ${new Date().toISOString()}
        WHERE user_id = ${userId} AND code_hash = ${codeHash} AND used_at IS NULL RETURNING id`,
    );
    return Array.isArray(rows) && rows.length === 1;
  }

  /** Replaces the recovery codes of a user with a confirmed app. False without one. */
  async replaceRecoveryCodes(userId: string, codeHashes: readonly string[]): Promise<boolean> {
    const now = new Date().toISOString();
    return this.#database.transaction(async (sql) => {
      const confirmed = sql`SELECT COUNT(*) AS n FROM totp_factors
        WHERE user_id = ${userId} AND confirmed_at IS NOT NULL`;
      if ((await countOf(confirmed)) === 0) return false;
      await replaceCodes(sql, userId, codeHashes, now);
      return true;
    });
  }

  /** Recovery codes that were not used. */
  async recoveryCodesLeft(userId: string): Promise<number> {
    return this.#database.run((sql) =>
      countOf(sql`SELECT COUNT(*) AS n FROM recovery_codes WHERE user_id = ${userId} AND used_at IS NULL`),
    );
  }
}

// --- internal ---

async function replaceCodes(
  sql: Queryable,
  userId: string,
  hashes: readonly string[],
  now: string,
): Promise<void> {
  await sql`DELETE FROM recovery_codes WHERE user_id = ${userId}`;
  for (const code_hash of hashes) {
    const row = { id: Bun.randomUUIDv7(), user_id: userId, code_hash, created_at: now };
    await sql`INSERT INTO recovery_codes ${sql(row)}`;
  }
}
