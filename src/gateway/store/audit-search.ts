/**
 * Looks for audit rows, the newest first. Statements run on the gateway's thread: a condition that fits few rows must not
 * make one statement read the whole table. So an index gives the rows in order, and each statement looks at a few thousand.
 */
import * as z from "zod/mini";
import type { AuditRow } from "../audit/row.ts";
import { auditRow } from "./audit-row.ts";
import type { Database, Queryable } from "./database.ts";

/** Which rows are meant; all conditions hold together. Times are RFC 3339. */
export interface AuditFilter {
  since?: string | undefined;
  until?: string | undefined;
  /** A user's id or name. */
  user?: string | undefined;
  /** An agent's id or name. */
  agent?: string | undefined;
  /** An action, or with a final `.` or `.*` all that begin so. */
  action?: string | undefined;
  session?: string | undefined;
  /** Only rows of this user, or about an agent that the user owned, owns, or manages (ids). */
  seenBy?: { userId: string; managed: readonly string[] } | undefined;
}

/** Rows that one statement looks at. */
export const STEP = 4_000;

/** The newest rows, the newest first. @param below only rows with a lower id */
export async function newestRows(
  database: Database,
  filter: AuditFilter,
  limit: number,
  below: string | null,
): Promise<AuditRow[]> {
  const found = new Map<string, AuditRow>();
  for (const source of sourcesOf(filter)) {
    for (const row of await rowsOf(database, source, filter, limit, below)) found.set(row.id, row);
  }
  return [...found.values()].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, limit);
}

/** The conditions of a filter but for `seenBy`. */
export function conditions(sql: Queryable, { since, until, user, agent, action, session }: AuditFilter) {
  const all = sql`id >= ${since === undefined ? FIRST : idAt(since)} AND id < ${until === undefined ? LAST : idAt(until)}`;
  const byUser =
    user === undefined ? sql`` : ID.test(user) ? sql`AND user_id = ${user}` : sql`AND user_name = ${user}`;
  const byAgent =
    agent === undefined
      ? sql``
      : ID.test(agent)
        ? sql`AND agent_id = ${agent}`
        : sql`AND agent_name = ${agent}`;
  const bySession = session === undefined ? sql`` : sql`AND session = ${session}`;
  return sql`${all} ${byUser} ${byAgent} ${byAction(sql, action)} ${bySession}`;
}

/** The condition of `seenBy`. */
export function isSeen(sql: Queryable, { seenBy }: AuditFilter) {
  if (!seenBy) return sql`1 = 1`;
  const { userId, managed } = seenBy;
  const among = managed.length === 0 ? sql`` : sql`OR agent_id IN ${sql([...managed])}`;
  return sql`(user_id = ${userId} OR owner_id = ${userId} ${among})`;
}

/** Lets other work of the process in between two statements. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

// --- internal ---

/** A column with an index, and the one value that counts; null for all rows. */
type Source = { column: "user_id" | "owner_id" | "agent_id" | "action"; value: string } | null;

/** Where rows are looked for: one index, or of a member one for each way in which it may see a row. */
function sourcesOf({ user, agent, action, seenBy }: AuditFilter): Source[] {
  if (agent !== undefined && ID.test(agent)) {
    const isTheirs = !seenBy || seenBy.managed.includes(agent);
    if (isTheirs) return [{ column: "agent_id", value: agent }];
  }
  if (seenBy) {
    const { userId, managed } = seenBy;
    return [
      { column: "user_id", value: userId },
      { column: "owner_id", value: userId },
      ...managed.map((value): Source => ({ column: "agent_id", value })),
    ];
  }
  if (user !== undefined && ID.test(user)) return [{ column: "user_id", value: user }];
  if (action !== undefined && !FAMILY.test(action)) return [{ column: "action", value: action }];
  return [null];
}

async function rowsOf(
  database: Database,
  source: Source,
  filter: AuditFilter,
  limit: number,
  below: string | null,
): Promise<AuditRow[]> {
  const rows: AuditRow[] = [];
  const since = filter.since === undefined ? FIRST : idAt(filter.since);
  let end = filter.until === undefined ? LAST : idAt(filter.until);
  if (below !== null && below < end) end = below;
  while (rows.length < limit) {
    const left = limit - rows.length;
    const { found, start } = await database.run(async (sql) => {
      const of = source ? sql`${sql(source.column)} = ${source.value}` : sql`1 = 1`;
      const step = sql`SELECT id FROM audit WHERE ${of} AND id < ${end} AND id >= ${since} ORDER BY id DESC LIMIT ${STEP}`;
      const [bounds] = bound.parse([
        ...(await sql`SELECT MIN(id) AS start, COUNT(*) AS n FROM (${step}) AS step`),
      ]);
      if (bounds.start === null) return { found: [], start: null };
      const found: unknown =
        await sql`SELECT * FROM audit WHERE ${of} AND id >= ${bounds.start} AND id < ${end}
        AND ${conditions(sql, filter)} AND ${isSeen(sql, filter)} ORDER BY id DESC LIMIT ${left}`;
      return { found, start: Number(bounds.n) < STEP ? null : bounds.start };
    });
    rows.push(...z.array(auditRow).parse(found));
    if (start === null) break;
    end = start;
    await pause();
  }
  return rows;
}

const bound = z.tuple([z.object({ start: z.nullable(z.string()), n: z.union([z.number(), z.string()]) })]);

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** `exec.` and `exec.*`: all actions that begin so. */
const FAMILY = /^(.*)\.\*?$/;
/** Before and behind every id. */
const [FIRST, LAST] = ["", "~"];

/** Below all ids of that moment and later: a UUID of version 7 begins with the milliseconds. */
function idAt(at: string): string {
  const hex = Math.max(0, Date.parse(at)).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}

function byAction(sql: Queryable, action: string | undefined) {
  if (action === undefined) return sql``;
  const [, family] = FAMILY.exec(action) ?? [];
  // "/" is the character behind ".".
  return family === undefined
    ? sql`AND action = ${action}`
    : sql`AND action >= ${`${family}.`} AND action < ${`${family}/`}`;
}
