/** Which account of an identity provider a user is. */
import * as z from "zod/mini";
import { validRows } from "./columns.ts";
import type { Database } from "./database.ts";
import { countOf } from "./page.ts";
import { insertUser, type NewUser, nameIsTaken, type UserRow } from "./users.ts";

const identityRow = z.object({
  id: z.string(),
  user_id: z.string(),
  issuer: z.string(),
  subject: z.string(),
  email: z.string(),
  created_at: z.string(),
  last_used_at: z.string(),
});
export type OidcIdentityRow = z.infer<typeof identityRow>;

/** What names an account at a provider, and what is kept with it. */
export interface KnownIdentity {
  issuer: string;
  subject: string;
  email: string;
  groups: readonly string[];
}

/** The table of identities. Owned by the store; methods reject with the database's error. */
export class OidcIdentities {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The user's id, and the address and groups are kept anew; null for an identity that never signed in. */
  async seen({ issuer, subject, email, groups }: KnownIdentity): Promise<string | null> {
    const now = new Date().toISOString();
    const rows = await this.#database.run(
      (sql) => sql`UPDATE oidc_identities SET
        email = ${email}, group_names = ${JSON.stringify(groups)}, last_used_at = ${now}
        WHERE issuer = ${issuer} AND subject = ${subject} RETURNING *`,
    );
    return validRows(identityRow, rows)[0]?.user_id ?? null;
  }

  /**
   * Makes a user for an identity that never signed in, with the first free name.
   * @param nameFor the name to try, by the number of those before
   * @param most users of the gateway
   * @returns `"known"` where the identity has signed in meanwhile
   */
  createUser(
    identity: KnownIdentity,
    user: Omit<NewUser, "username">,
    nameFor: (attempt: number) => string,
    most: number,
  ): Promise<UserRow | "full" | "no_name" | "known"> {
    const now = new Date().toISOString();
    const { issuer, subject, email, groups } = identity;
    return this.#database.transaction(async (sql) => {
      const same = sql`SELECT COUNT(*) AS n FROM oidc_identities WHERE issuer = ${issuer} AND subject = ${subject}`;
      if ((await countOf(same)) > 0) return "known";
      if ((await countOf(sql`SELECT COUNT(*) AS n FROM users`)) >= most) return "full";
      let attempt = 0;
      while (await nameIsTaken(sql, nameFor(attempt))) {
        attempt += 1;
        if (attempt >= NAMES_TRIED) return "no_name";
      }
      const made = await insertUser(sql, { ...user, username: nameFor(attempt) });
      await sql`INSERT INTO oidc_identities ${sql({
        id: Bun.randomUUIDv7(),
        user_id: made.id,
        issuer,
        subject,
        email,
        group_names: JSON.stringify(groups),
        created_at: now,
        last_used_at: now,
      })}`;
      return made;
    });
  }
}

// --- internal ---

const NAMES_TRIED = 50;
