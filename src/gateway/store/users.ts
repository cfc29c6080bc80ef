/** People with an account at this gateway. */
import * as z from "zod/mini";
import { booleanColumn } from "./columns.ts";
import type { Database } from "./database.ts";

const userRow = z.object({
  id: z.string(),
  username: z.string(),
  email: z.string(),
  name: z.string(),
  tier: z.string(),
  is_admin: booleanColumn,
  created_at: z.string(),
});
export type UserRow = z.infer<typeof userRow>;

/** The table of users. Owned by the store; methods reject with the database's error. */
export class Users {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async create(user: {
    username: string;
    email?: string;
    name?: string;
    isAdmin: boolean;
  }): Promise<UserRow> {
    const row: UserRow = {
      id: Bun.randomUUIDv7(),
      username: user.username,
      email: user.email ?? "",
      name: user.name ?? user.username,
      tier: "self-hosted",
      is_admin: user.isAdmin,
      created_at: new Date().toISOString(),
    };
    await this.#database.run((sql) => sql`INSERT INTO users ${sql(row)}`);
    return row;
  }

  async get(id: string): Promise<UserRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM users WHERE id = ${id}`);
    return z.array(userRow).parse(rows)[0] ?? null;
  }

  /** By its id or its user name. */
  async find(reference: string): Promise<UserRow | null> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM users WHERE id = ${reference} OR username = ${reference} LIMIT 1`,
    );
    return z.array(userRow).parse(rows)[0] ?? null;
  }

  /** The administrator that the first start made, or null before it. */
  async firstAdmin(): Promise<UserRow | null> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM users WHERE is_admin = ${true} ORDER BY created_at, id LIMIT 1`,
    );
    return z.array(userRow).parse(rows)[0] ?? null;
  }
}
