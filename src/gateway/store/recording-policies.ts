/** Which sessions are recorded. */
import * as z from "zod/mini";
import { booleanColumn, validRows } from "./columns.ts";
import type { Database } from "./database.ts";
import { countOf } from "./page.ts";

/** What a policy is about: sessions of an agent, of agents with a tag, those that a user joins, or all. */
export const POLICY_KINDS = ["all", "agent", "tag", "user"] as const;
export const POLICY_MODES = ["always", "never", "request"] as const;
export type PolicyMode = (typeof POLICY_MODES)[number];

/** Policies of a gateway. */
export const MOST_POLICIES = 1_000;
/** Of these, those that members may set about their agents: the rest is the administrators'. */
export const MOST_POLICIES_OF_MEMBERS = 800;

const policyRow = z.object({
  id: z.string(),
  kind: z.enum(POLICY_KINDS),
  /** The id of an agent or a user, a tag, or nothing. */
  target: z.string(),
  mode: z.enum(POLICY_MODES),
  /** What is typed is recorded too. */
  input: booleanColumn,
  created_by: z.string(),
  created_at: z.string(),
});
export type PolicyRow = z.infer<typeof policyRow>;

/** The table of policies. Owned by the store; methods reject with the database's error. */
export class RecordingPolicies {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async list(): Promise<PolicyRow[]> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM recording_policies ORDER BY kind, target, id LIMIT ${MOST_POLICIES}`,
    );
    return validRows(policyRow, rows);
  }

  /**
   * Replaces the policy about the same, and forgets those about agents and users that are gone. Null where there are
   * `most`.
   */
  async set(policy: Omit<PolicyRow, "id" | "created_at">, most = MOST_POLICIES): Promise<PolicyRow | null> {
    const row: PolicyRow = {
      ...policy,
      id: Bun.randomUUIDv7(),
      created_at: new Date().toISOString(),
    };
    return this.#database.transaction(async (sql) => {
      await sql`DELETE FROM recording_policies WHERE kind = ${row.kind} AND target = ${row.target}`;
      await sql`DELETE FROM recording_policies WHERE (kind = 'agent' AND target NOT IN (SELECT id FROM agents))
        OR (kind = 'user' AND target NOT IN (SELECT id FROM users))`;
      if ((await countOf(sql`SELECT COUNT(*) AS n FROM recording_policies`)) >= most) return null;
      await sql`INSERT INTO recording_policies ${sql(row)}`;
      return row;
    });
  }

  async get(id: string): Promise<PolicyRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM recording_policies WHERE id = ${id}`);
    return validRows(policyRow, rows)[0] ?? null;
  }

  async ofAgent(agentId: string): Promise<PolicyRow | null> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM recording_policies WHERE kind = 'agent' AND target = ${agentId}`,
    );
    return validRows(policyRow, rows)[0] ?? null;
  }

  /** False where it is gone already. */
  async remove(id: string): Promise<boolean> {
    const rows: unknown = await this.#database.run(
      (sql) => sql`DELETE FROM recording_policies WHERE id = ${id} RETURNING id`,
    );
    return Array.isArray(rows) && rows.length > 0;
  }
}
