/** People with an account at this gateway. */
import * as z from "zod/mini";
import { booleanColumn, validRows } from "./columns.ts";
import type { Database, Queryable } from "./database.ts";
import { countOf, inOrder, type Page } from "./page.ts";

const userRow = z.object({
  id: z.string(),
  username: z.string(),
  email: z.string(),
  name: z.string(),
  tier: z.string(),
  is_admin: booleanColumn,
  created_at: z.string(),
  /** RFC 3339; the user's credentials count for nothing since. */
  disabled_at: z.nullable(z.string()),
});
export type UserRow = z.infer<typeof userRow>;

/** What a new user is made of. */
export interface NewUser {
  username: string;
  email?: string | undefined;
  name?: string | undefined;
  isAdmin: boolean;
  /** Of `Passwords.hash`; null for a user without a password. */
  passwordHash?: string | null | undefined;
}

/** What may be changed of a user. */
export interface UserChanges {
  name?: string | undefined;
  email?: string | undefined;
  isAdmin?: boolean | undefined;
  disabled?: boolean | undefined;
}

/** Why a user was not changed or removed. */
export type UserRefusal = "not_found" | "last_admin" | "has_agents" | "target_full";

/** What becomes of the agents of a removed user. */
export type AgentsOfRemoved =
  | { do: "refuse" }
  | { do: "delete" }
  | { do: "transfer"; to: string; most: number };

/** The table of users. Owned by the store; methods reject with the database's error. */
export class Users {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @throws the database's error where the name is taken */
  async create(user: NewUser): Promise<UserRow> {
    return this.#database.run((sql) => insertUser(sql, user));
  }

  /** As `create`; null where the name is taken, `"full"` where the gateway has `most` users. */
  createWithin(user: NewUser, most: number): Promise<UserRow | "name_taken" | "full"> {
    return this.#database.transaction(async (sql) => {
      if ((await countOf(sql`SELECT COUNT(*) AS n FROM users`)) >= most) return "full";
      return (await nameIsTaken(sql, user.username)) ? "name_taken" : insertUser(sql, user);
    });
  }

  async get(id: string): Promise<UserRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM users WHERE id = ${id}`);
    return z.array(userRow).parse(rows)[0] ?? null;
  }

  count(): Promise<number> {
    return this.#database.run((sql) => countOf(sql`SELECT COUNT(*) AS n FROM users`));
  }

  /** By its id or its user name. */
  async find(reference: string): Promise<UserRow | null> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM users WHERE id = ${reference} OR username = ${reference} LIMIT 1`,
    );
    return z.array(userRow).parse(rows)[0] ?? null;
  }

  async byName(username: string): Promise<UserRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM users WHERE username = ${username}`);
    return z.array(userRow).parse(rows)[0] ?? null;
  }

  /** In the order in which they were made. */
  async list(page: Page | null): Promise<UserRow[]> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM users WHERE TRUE ${inOrder(sql, page)}`);
    return validRows(userRow, rows);
  }

  /** Null for a user without a password. */
  async passwordHash(id: string): Promise<string | null> {
    const rows = await this.#database.run((sql) => sql`SELECT password_hash FROM users WHERE id = ${id}`);
    return z.array(z.object({ password_hash: z.nullable(z.string()) })).parse(rows)[0]?.password_hash ?? null;
  }

  /** The administrator that the first start made, or null before it. */
  async firstAdmin(): Promise<UserRow | null> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM users WHERE is_admin = ${true} ORDER BY created_at, id LIMIT 1`,
    );
    return z.array(userRow).parse(rows)[0] ?? null;
  }

  /** The oldest administrator who is not disabled. */
  async activeAdmin(): Promise<UserRow | null> {
    const rows = await this.#database.run(
      (sql) =>
        sql`SELECT * FROM users WHERE is_admin = ${true} AND disabled_at IS NULL ORDER BY created_at, id LIMIT 1`,
    );
    return z.array(userRow).parse(rows)[0] ?? null;
  }

  /** Sets the password. @returns false where there is no such user */
  async setPassword(id: string, hash: string | null): Promise<boolean> {
    const rows = await this.#database.run(
      (sql) => sql`UPDATE users SET password_hash = ${hash} WHERE id = ${id} RETURNING id`,
    );
    return z.array(z.unknown()).parse(rows).length > 0;
  }

  /** Changes the given fields, unless no administrator who is not disabled would be left. */
  change(id: string, changes: UserChanges): Promise<UserRow | UserRefusal> {
    return this.#database.transaction(async (sql) => {
      const user = await lockUser(sql, id);
      if (!user) return "not_found";
      const isAdmin = changes.isAdmin ?? user.is_admin;
      const disabled = changes.disabled ?? user.disabled_at !== null;
      if ((!isAdmin || disabled) && (await isLastAdmin(sql, user))) return "last_admin";
      const after: UserRow = {
        ...user,
        name: changes.name ?? user.name,
        email: changes.email ?? user.email,
        is_admin: isAdmin,
        disabled_at: disabled ? (user.disabled_at ?? new Date().toISOString()) : null,
      };
      const { name, email, is_admin, disabled_at } = after;
      await sql`UPDATE users SET ${sql({ name, email, is_admin, disabled_at })} WHERE id = ${id}`;
      if (user.is_admin && !isAdmin) await takeOwnGifts(sql, id);
      return after;
    });
  }

  /**
   * Removes the user with sessions, tokens and links, unless that is the last administrator who is not disabled.
   * @returns the ids of the agents that were deleted or have another owner now
   */
  remove(id: string, agents: AgentsOfRemoved): Promise<{ user: UserRow; agents: string[] } | UserRefusal> {
    return this.#database.transaction(async (sql) => {
      const user = await lockUser(sql, id);
      if (!user) return "not_found";
      if (await isLastAdmin(sql, user)) return "last_admin";
      const owned = z
        .array(z.object({ id: z.string() }))
        .parse(await sql`SELECT id FROM agents WHERE user_id = ${id} ORDER BY created_at, id`);
      if (owned.length > 0 && agents.do === "refuse") return "has_agents";
      if (agents.do === "transfer") {
        const theirs = await countOf(sql`SELECT COUNT(*) AS n FROM agents WHERE user_id = ${agents.to}`);
        if (theirs + owned.length > agents.most) return "target_full";
        await sql`UPDATE tokens SET user_id = ${agents.to} WHERE user_id = ${id} AND agent_id IS NOT NULL`;
        await sql`UPDATE agents SET user_id = ${agents.to} WHERE user_id = ${id}`;
      }
      await sql`DELETE FROM users WHERE id = ${id}`;
      return { user, agents: owned.map((agent) => agent.id) };
    });
  }
}

/** As `Users.create`, inside the caller's transaction. */
export async function insertUser(sql: Queryable, user: NewUser): Promise<UserRow> {
  const row: UserRow = {
    id: Bun.randomUUIDv7(),
    username: user.username,
    email: user.email ?? "",
    name: user.name || user.username,
    tier: "self-hosted",
    is_admin: user.isAdmin,
    created_at: new Date().toISOString(),
    disabled_at: null,
  };
  await sql`INSERT INTO users ${sql({ ...row, password_hash: user.passwordHash ?? null })}`;
  return row;
}

/** True where a user has that name. */
export async function nameIsTaken(sql: Queryable, username: string): Promise<boolean> {
  return (await countOf(sql`SELECT COUNT(*) AS n FROM users WHERE username = ${username}`)) > 0;
}

// --- internal ---

/**
 * The user, with all administrators locked: of two that take each other's role at the same moment, the second one sees
 * what the first one did. (SQLite has one writer anyway.)
 */
async function lockUser(sql: Queryable, id: string): Promise<UserRow | null> {
  await sql`UPDATE users SET is_admin = is_admin WHERE is_admin = ${true}`;
  const rows = await sql`SELECT * FROM users WHERE id = ${id}`;
  return z.array(userRow).parse(rows)[0] ?? null;
}

/** What an administrator has given itself over agents of others, or a group that it is alone in, ends with the role. */
async function takeOwnGifts(sql: Queryable, id: string): Promise<void> {
  const alone = sql`group_id IN (SELECT group_id FROM group_members WHERE user_id = ${id})
    AND group_id NOT IN (SELECT group_id FROM group_members WHERE user_id <> ${id})`;
  await sql`DELETE FROM grants WHERE created_by = ${id} AND (user_id = ${id} OR (${alone}))
    AND (agent_id IS NULL OR agent_id NOT IN (SELECT id FROM agents WHERE user_id = ${id}))`;
}

async function isLastAdmin(sql: Queryable, user: UserRow): Promise<boolean> {
  if (!user.is_admin || user.disabled_at !== null) return false;
  const others = sql`SELECT COUNT(*) AS n FROM users
    WHERE is_admin = ${true} AND disabled_at IS NULL AND id <> ${user.id}`;
  return (await countOf(others)) === 0;
}
