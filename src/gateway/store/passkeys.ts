/** Passkeys of users: the public half of each. */
import * as z from "zod/mini";
import { brief, LENGTHS, someOf } from "../../protocol/values.ts";
import { booleanColumn, jsonColumn, validRows } from "./columns.ts";
import type { Database } from "./database.ts";
import { countOf } from "./page.ts";

const MAX_TRANSPORTS = 16;

const passkeyRow = z.object({
  id: z.string(),
  user_id: z.string(),
  name: brief(LENGTHS.name),
  /** Base64url, as the browser gives it. */
  credential_id: z.string(),
  /** COSE key, base64url. */
  public_key: z.string(),
  /** How often it was used, as it says; 0 for one that does not count. */
  counter: z.coerce.number(),
  transports: z.pipe(
    jsonColumn(someOf(brief(LENGTHS.word), MAX_TRANSPORTS)),
    z.transform((transports) => transports ?? []),
  ),
  /** Copied to other devices of its owner. */
  backed_up: booleanColumn,
  created_at: z.string(),
  last_used_at: z.nullable(z.string()),
});
export type PasskeyRow = z.infer<typeof passkeyRow>;

/** What a new passkey is made of. */
export type NewPasskey = Omit<PasskeyRow, "id" | "created_at" | "last_used_at">;

/** The table of passkeys. Owned by the store; methods reject with the database's error. */
export class Passkeys {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Keeps one; `"full"` where the user has `most`, `"known"` where it is registered already, by any user. */
  createWithin(passkey: NewPasskey, most: number): Promise<PasskeyRow | "full" | "known"> {
    const row: PasskeyRow = {
      ...passkey,
      id: Bun.randomUUIDv7(),
      created_at: new Date().toISOString(),
      last_used_at: null,
    };
    return this.#database.transaction(async (sql) => {
      const own = sql`SELECT COUNT(*) AS n FROM passkeys WHERE user_id = ${row.user_id}`;
      if ((await countOf(own)) >= most) return "full";
      const same = sql`SELECT COUNT(*) AS n FROM passkeys WHERE credential_id = ${row.credential_id}`;
      if ((await countOf(same)) > 0) return "known";
      await sql`INSERT INTO passkeys ${sql({ ...row, transports: JSON.stringify(row.transports) })}`;
      return row;
    });
  }

  async findByCredential(credentialId: string): Promise<PasskeyRow | null> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM passkeys WHERE credential_id = ${credentialId}`,
    );
    return validRows(passkeyRow, rows)[0] ?? null;
  }

  /** In the order in which they were made; their number is bounded. */
  async listOfUser(userId: string): Promise<PasskeyRow[]> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM passkeys WHERE user_id = ${userId} ORDER BY created_at, id`,
    );
    return validRows(passkeyRow, rows);
  }

  /** Notes a use. False where its counter has not grown: it is a copy, or the same answer twice. */
  async use(id: string, counter: number, isBackedUp: boolean): Promise<boolean> {
    const now = new Date().toISOString();
    const rows: unknown = await this.#database.run(
      (sql) => sql`UPDATE passkeys SET counter = ${counter}, backed_up = ${isBackedUp}, last_used_at = ${now}
        WHERE id = ${id} AND (counter < ${counter} OR (counter = 0 AND ${counter} = 0)) RETURNING id`,
    );
    return Array.isArray(rows) && rows.length === 1;
  }

  /** Deletes all passkeys of the user. @returns how many */
  async removeAll(userId: string): Promise<number> {
    const rows = await this.#database.run(
      (sql) => sql`DELETE FROM passkeys WHERE user_id = ${userId} RETURNING id`,
    );
    return z.array(z.unknown()).parse(rows).length;
  }

  /** Deletes a passkey of the user. Null where there is none of that id. */
  async remove(userId: string, id: string): Promise<PasskeyRow | null> {
    const rows = await this.#database.run(
      (sql) => sql`DELETE FROM passkeys WHERE id = ${id} AND user_id = ${userId} RETURNING *`,
    );
    return validRows(passkeyRow, rows)[0] ?? null;
  }
}
