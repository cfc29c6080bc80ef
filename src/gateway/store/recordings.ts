/** Recordings of sessions and commands: what lists show. The recordings themselves are files. */
import * as z from "zod/mini";
import { brief, LENGTHS } from "../../protocol/values.ts";
import { type Sight, visibleTo } from "./agents.ts";
import { validRows } from "./columns.ts";
import type { Database, Queryable } from "./database.ts";
import { countOf } from "./page.ts";

/** Postgres answers a BIGINT as text. */
const big = z.pipe(
  z.union([z.number(), z.string(), z.bigint()]),
  z.transform((value) => Number(value)),
);

const recordingRow = z.object({
  id: z.string(),
  agent_id: z.string(),
  agent_name: brief(LENGTHS.name),
  user_id: z.string(),
  user_name: brief(LENGTHS.name),
  session: brief(LENGTHS.id),
  instance: z.string(),
  /** From 1 on; a later part begins where the gateway was started again. */
  part: z.number(),
  kind: z.enum(["shell", "run"]),
  command: brief(LENGTHS.shownCommand),
  reason: z.enum(["always", "request"]),
  state: z.enum(["recording", "complete", "stopped", "interrupted"]),
  /** Why it is interrupted; empty where it is not. */
  note: brief(LENGTHS.error),
  started_at: z.string(),
  ended_at: z.nullable(z.string()),
  duration_ms: big,
  bytes: big,
  cut_bytes: big,
  cut_reason: brief(LENGTHS.error),
  exit_code: z.nullable(z.number()),
  signal: z.nullable(z.string()),
  cols: z.number(),
  rows: z.number(),
  place: z.enum(["folder", "bucket"]),
});
export type RecordingRow = z.infer<typeof recordingRow>;

/** What a list is narrowed to. Times are RFC 3339. */
export interface RecordingFilter {
  agentId?: string | undefined;
  /** A name. */
  user?: string | undefined;
  session?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
}

/** A page, the newest first. */
export interface RecordingPage {
  limit: number;
  /** Behind this one. */
  after: { started_at: string; id: string } | null;
}

/** The table of recordings. Owned by the store; methods reject with the database's error. */
export class RecordingRows {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Gives it the number of the next part. */
  async create(row: RecordingRow): Promise<RecordingRow> {
    return this.#database.transaction(async (sql) => {
      const parts = sql`SELECT COUNT(*) AS n FROM recordings WHERE instance = ${row.instance}`;
      const numbered = { ...row, part: (await countOf(parts)) + 1 };
      await sql`INSERT INTO recordings ${sql(numbered)}`;
      return numbered;
    });
  }

  /** Writes all of it, also where `create` has failed. */
  async save(row: RecordingRow): Promise<void> {
    const { id, ...columns } = row;
    await this.#database.transaction(async (sql) => {
      const changed: unknown = await sql`UPDATE recordings SET ${sql(columns)} WHERE id = ${id} RETURNING id`;
      if (!Array.isArray(changed) || changed.length === 0) await sql`INSERT INTO recordings ${sql(row)}`;
    });
  }

  async get(id: string): Promise<RecordingRow | null> {
    const rows = await this.#database.run((sql) => sql`SELECT * FROM recordings WHERE id = ${id}`);
    return validRows(recordingRow, rows)[0] ?? null;
  }

  /** Of the agents that are seen; those of deleted agents by administrators only. */
  async list(sight: Sight, filter: RecordingFilter, page: RecordingPage): Promise<RecordingRow[]> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM recordings WHERE ${ofAgents(sql, sight)} ${matching(sql, filter)}
        ${behind(sql, page.after)} ORDER BY started_at DESC, id DESC LIMIT ${page.limit}`,
    );
    return validRows(recordingRow, rows);
  }

  /** Those of this state, the oldest first. */
  async inState(state: RecordingRow["state"], after: string, limit: number): Promise<RecordingRow[]> {
    const rows = await this.#database.run(
      (sql) =>
        sql`SELECT * FROM recordings WHERE state = ${state} AND id > ${after} ORDER BY id LIMIT ${limit}`,
    );
    return validRows(recordingRow, rows);
  }

  /** Ended ones, the oldest first. @param place only those that are there; null for all */
  async oldest(limit: number, place: RecordingRow["place"] | null = null): Promise<RecordingRow[]> {
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM recordings WHERE ended_at IS NOT NULL
        ${place === null ? sql`` : sql`AND place = ${place}`} ORDER BY started_at, id LIMIT ${limit}`,
    );
    return validRows(recordingRow, rows);
  }

  /** Bytes of the ended ones that are at this place. */
  async bytesAt(place: RecordingRow["place"]): Promise<number> {
    const rows: unknown = await this.#database.run(
      (sql) =>
        sql`SELECT SUM(bytes) AS bytes FROM recordings WHERE ended_at IS NOT NULL AND place = ${place}`,
    );
    const [row] = Array.isArray(rows) ? rows : [];
    return Number(row?.bytes ?? 0);
  }

  /** How many there are, and their bytes. */
  async total(): Promise<{ count: number; bytes: number }> {
    const rows: unknown = await this.#database.run(
      (sql) => sql`SELECT COUNT(*) AS count, SUM(bytes) AS bytes FROM recordings`,
    );
    const [row] = Array.isArray(rows) ? rows : [];
    return { count: Number(row?.count ?? 0), bytes: Number(row?.bytes ?? 0) };
  }

  /** False where it is gone already. */
  async remove(id: string): Promise<boolean> {
    const rows: unknown = await this.#database.run(
      (sql) => sql`DELETE FROM recordings WHERE id = ${id} RETURNING id`,
    );
    return Array.isArray(rows) && rows.length > 0;
  }
}

// --- internal ---

function ofAgents(sql: Queryable, sight: Sight) {
  if (sight.all && sight.only.length === 0) return sql`1 = 1`;
  return sql`agent_id IN (SELECT id FROM agents WHERE ${visibleTo(sql, sight)})`;
}

function matching(sql: Queryable, { agentId, user, session, since, until }: RecordingFilter) {
  return sql`${agentId === undefined ? sql`` : sql`AND agent_id = ${agentId}`}
    ${user === undefined ? sql`` : sql`AND user_name = ${user}`}
    ${session === undefined ? sql`` : sql`AND session = ${session}`}
    ${since === undefined ? sql`` : sql`AND started_at >= ${since}`}
    ${until === undefined ? sql`` : sql`AND started_at < ${until}`}`;
}

function behind(sql: Queryable, after: RecordingPage["after"]) {
  return after === null ? sql`` : sql`AND (started_at, id) < (${after.started_at}, ${after.id})`;
}
