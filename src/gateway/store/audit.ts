/** The audit log's table: appended to, read in pages, cut at the front by retention. Rows are never changed. */
import * as z from "zod/mini";
import { type AuditDraft, type AuditRow, chained, GENESIS } from "../audit/row.ts";
import { auditRow, bigint } from "./audit-row.ts";
import { type AuditFilter, conditions, isSeen, newestRows, pause, STEP } from "./audit-search.ts";
import type { Database, Queryable } from "./database.ts";
import type { Position } from "./page.ts";

export type { AuditFilter } from "./audit-search.ts";

const auditHead = z.object({
  chain: z.string(),
  first_seq: bigint,
  anchor: z.string(),
  newest_seq: bigint,
  newest_hash: z.string(),
});
/** Where a chain begins and ends. `anchor` is the hash before its first row. */
export type AuditHead = z.infer<typeof auditHead>;

/** How many rows of what age are kept. */
export interface Retention {
  /** RFC 3339: older rows go. */
  before: string;
  /** Rows of a chain. */
  most: number;
}

/** Rows that one step of retention deletes at most. */
const PRUNED_AT_ONCE = 500;

/** The table of audit rows. Owned by the store; methods reject with the database's error. */
export class Audits {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Appends the drafts to a chain, all or none. Several processes may append to one chain. Rejects at once where another
   * process holds the database: the caller tries again.
   * @param again leave out those that are there already: of a spill file that may have been appended in part
   */
  append(chain: string, drafts: readonly AuditDraft[], again = false): Promise<AuditRow[]> {
    return this.#database.transactionNow(async (sql) => {
      const head = await lockHead(sql, chain);
      const fresh = again ? await unknownOf(sql, drafts) : drafts;
      const rows = chained(chain, fresh, { seq: head.newest_seq, hash: head.newest_hash });
      const newest = rows.at(-1);
      if (!newest) return [];
      await sql`INSERT INTO audit ${sql(rows)}`;
      await sql`UPDATE audit_heads SET newest_seq = ${newest.seq}, newest_hash = ${newest.hash} WHERE chain = ${chain}`;
      return rows;
    });
  }

  /** Newest first. Reads in small steps, so that a rare row is looked for without holding up the gateway. */
  page(filter: AuditFilter, limit: number, after: Position | null): Promise<AuditRow[]> {
    return newestRows(this.#database, filter, limit, after?.id ?? null);
  }

  /** Rows of a chain behind a number, in the order in which they were written; in small steps, too. */
  async following(chain: string, seq: number, limit: number, filter: AuditFilter = {}): Promise<AuditRow[]> {
    const head = (await this.heads()).find((each) => each.chain === chain);
    const newest = head?.newest_seq ?? 0;
    const rows: AuditRow[] = [];
    for (let from = Math.max(seq, (head?.first_seq ?? 1) - 1); from < newest; from += STEP) {
      const left = limit - rows.length;
      const found: unknown = await this.#database.run(
        (sql) => sql`SELECT * FROM audit WHERE chain = ${chain} AND seq > ${from} AND seq <= ${from + STEP}
          AND ${conditions(sql, filter)} AND ${isSeen(sql, filter)} ORDER BY seq LIMIT ${left}`,
      );
      rows.push(...z.array(auditRow).parse(found));
      if (rows.length >= limit) break;
      await pause();
    }
    return rows;
  }

  async heads(): Promise<AuditHead[]> {
    return this.#database.run(readHeads);
  }

  /** Reads chains as they are at one moment, whatever is written meanwhile. Use only the reader that it gets. */
  snapshot<T>(work: (reader: AuditReader) => Promise<T>): Promise<T> {
    return this.#database.transaction((sql) => work(new AuditReader(sql)));
  }

  /**
   * One step of retention. The head tells from then on which hash stood before the first row that is left.
   * @returns how many rows were deleted; 0 once there is nothing left to do
   */
  prune(chain: string, { before, most }: Retention): Promise<number> {
    return this.#database.transactionNow(async (sql) => {
      const head = await lockHead(sql, chain);
      const found: unknown = await sql`SELECT seq, hash, created_at FROM audit
        WHERE chain = ${chain} AND seq >= ${head.first_seq} ORDER BY seq LIMIT ${PRUNED_AT_ONCE}`;
      const rows = z.array(z.pick(auditRow, { seq: true, hash: true, created_at: true })).parse(found);
      const end = rows.findIndex(
        ({ seq, created_at }) => created_at >= before && head.newest_seq - seq < most,
      );
      const last = end === -1 ? rows.at(-1) : rows[end - 1];
      if (!last) return 0;
      await sql`UPDATE audit_heads SET first_seq = ${last.seq + 1}, anchor = ${last.hash} WHERE chain = ${chain}`;
      await sql`DELETE FROM audit WHERE chain = ${chain} AND seq <= ${last.seq}`;
      return end === -1 ? rows.length : end;
    });
  }

  /** How far a collector has been sent a chain; null where it is new. */
  async forwarded(collector: string, chain: string): Promise<{ sent: number; dropped: number } | null> {
    const rows = await this.#database.run(
      (sql) =>
        sql`SELECT sent_seq AS sent, dropped FROM audit_forwards WHERE collector = ${collector} AND chain = ${chain}`,
    );
    return z.array(z.object({ sent: bigint, dropped: bigint })).parse(rows)[0] ?? null;
  }

  async markForwarded(collector: string, chain: string, sent: number, dropped: number): Promise<void> {
    const row = { collector, chain, sent_seq: sent, dropped };
    await this.#database.transactionNow(
      (sql) => sql`INSERT INTO audit_forwards ${sql(row)}
        ON CONFLICT (collector, chain) DO UPDATE SET sent_seq = ${sent}, dropped = ${dropped}`,
    );
  }
}

/** Reads within one snapshot. Owned by `Audits.snapshot`; of no use once that resolves. */
export class AuditReader {
  readonly #sql: Queryable;

  constructor(sql: Queryable) {
    this.#sql = sql;
  }

  heads(): Promise<AuditHead[]> {
    return readHeads(this.#sql);
  }

  /** Chains that have rows, with a head or without one. */
  async chains(): Promise<string[]> {
    const rows = await this.#sql`SELECT DISTINCT chain FROM audit ORDER BY chain`;
    return z
      .array(z.object({ chain: z.string() }))
      .parse(rows)
      .map(({ chain }) => chain);
  }

  /** As they are: damaged ones have an empty hash. */
  async following(chain: string, seq: number, limit: number): Promise<AuditRow[]> {
    const rows: unknown = await this
      .#sql`SELECT * FROM audit WHERE chain = ${chain} AND seq > ${seq} ORDER BY seq LIMIT ${limit}`;
    return z
      .array(z.looseObject({ seq: bigint }))
      .parse(rows)
      .map(asRow);
  }
}

// --- internal ---

/** One that is no row any more gets a hash that no row has. */
function asRow(found: { seq: number }): AuditRow {
  const row = auditRow.safeParse(found);
  return row.success ? row.data : { ...DAMAGED, seq: found.seq };
}

const NONE = { user_id: null, user_name: null, credential: null, credential_name: null, address: null };
const DAMAGED = {
  ...NONE,
  ...{ agent_id: null, agent_name: null, owner_id: null, session: null, target: null },
  ...{ chain: "", id: "", created_at: "", action: "", details: "", prev_hash: "", hash: "" },
};

/** The first statement of a transaction is a write: no other process gets in between the head and the new rows. */
async function lockHead(sql: Queryable, chain: string): Promise<AuditHead> {
  const now = new Date().toISOString();
  const row = { chain, first_seq: 1, anchor: GENESIS, newest_seq: 0, newest_hash: GENESIS, updated_at: now };
  const rows: unknown = await sql`INSERT INTO audit_heads ${sql(row)}
    ON CONFLICT (chain) DO UPDATE SET updated_at = ${now} RETURNING *`;
  return z.tuple([auditHead]).parse(Array.isArray(rows) ? [...rows] : rows)[0];
}

async function readHeads(sql: Queryable): Promise<AuditHead[]> {
  return z.array(auditHead).parse(await sql`SELECT * FROM audit_heads ORDER BY chain`);
}

async function unknownOf(sql: Queryable, drafts: readonly AuditDraft[]): Promise<readonly AuditDraft[]> {
  if (drafts.length === 0) return drafts;
  const rows: unknown = await sql`SELECT id FROM audit WHERE id IN ${sql(drafts.map(({ id }) => id))}`;
  const known = new Set(
    z
      .array(z.object({ id: z.string() }))
      .parse(rows)
      .map(({ id }) => id),
  );
  return drafts.filter(({ id }) => !known.has(id));
}
