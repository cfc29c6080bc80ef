/** What one step of a sign-in leaves for the next one: see the table in `migrations/0006-factors.sql`. */
import * as z from "zod/mini";
import { hashToken } from "../auth/token.ts";
import { makeStepSecret } from "../sign-in/step-secret.ts";
import { MAX_JSON } from "./columns.ts";
import type { Database } from "./database.ts";
import { countOf } from "./page.ts";

/** What a step is for. */
export type StepKind = "second_factor" | "passkey_new" | "passkey_use" | "oidc";

const stepRow = z.object({
  user_id: z.nullable(z.string()),
  data: z.string().check(z.maxLength(MAX_JSON)),
});

/** A step that was found: the user that it belongs to, where it is known, and the data as JSON. */
export interface Step {
  userId: string | null;
  data: unknown;
}

/** Steps that are kept at once; further ones are refused until others have expired or were used. */
export const MAX_STEPS = 10_000;

/** The table of sign-in steps. Owned by the store; methods reject with the database's error. */
export class SignInSteps {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Keeps a step.
   * @param data without a secret that would be good without the step
   * @returns the name of the step, which the browser brings back; null where `most` steps are kept
   */
  async create(
    kind: StepKind,
    userId: string | null,
    data: object,
    lifetimeMs: number,
    most = MAX_STEPS,
  ): Promise<string | null> {
    const now = Date.now();
    const secret = makeStepSecret();
    return this.#database.transaction(async (sql) => {
      await sql`DELETE FROM sign_in_steps WHERE expires_at <= ${new Date(now).toISOString()}`;
      if ((await countOf(sql`SELECT COUNT(*) AS n FROM sign_in_steps`)) >= most) return null;
      await sql`INSERT INTO sign_in_steps ${sql({
        id_hash: hashToken(secret),
        kind,
        user_id: userId,
        data: JSON.stringify(data),
        created_at: new Date(now).toISOString(),
        expires_at: new Date(now + lifetimeMs).toISOString(),
      })}`;
      return secret;
    });
  }

  /** A step that has neither expired nor was used. */
  async find(kind: StepKind, secret: string): Promise<Step | null> {
    const now = new Date().toISOString();
    const rows = await this.#database.run(
      (sql) => sql`SELECT user_id, data FROM sign_in_steps
        WHERE id_hash = ${hashToken(secret)} AND kind = ${kind} AND expires_at > ${now}`,
    );
    return stepOf(rows);
  }

  /** As `find`, and uses the step up: of two callers at the same moment, one gets it. */
  async use(kind: StepKind, secret: string): Promise<Step | null> {
    const now = new Date().toISOString();
    const rows = await this.#database.run(
      (sql) => sql`DELETE FROM sign_in_steps
        WHERE id_hash = ${hashToken(secret)} AND kind = ${kind} AND expires_at > ${now} RETURNING user_id, data`,
    );
    return stepOf(rows);
  }
}

// --- internal ---

function stepOf(rows: unknown): Step | null {
  const row = z.array(stepRow).parse(rows)[0];
  return row ? { userId: row.user_id, data: JSON.parse(row.data) } : null;
}
