/** Sign-ins of the CLI that wait for a person: see `sign-in/device-flow.ts`. */
import * as z from "zod/mini";
import { brief, COUNTS, LENGTHS, someOf } from "../../protocol/values.ts";
import { jsonColumn } from "./columns.ts";
import type { Database, Queryable } from "./database.ts";
import { countOf } from "./page.ts";

const deviceCodeRow = z.object({
  id: z.string(),
  client: brief(LENGTHS.hostname),
  address: z.string(),
  scopes: z.pipe(
    jsonColumn(someOf(brief(LENGTHS.word), COUNTS.scopes)),
    z.transform((scopes) => scopes ?? []),
  ),
  created_at: z.string(),
  expires_at: z.string(),
  interval_s: z.number(),
  polled_at: z.nullable(z.string()),
  user_id: z.nullable(z.string()),
  approved_at: z.nullable(z.string()),
  denied_at: z.nullable(z.string()),
  consumed_at: z.nullable(z.string()),
});
export type DeviceCodeRow = z.infer<typeof deviceCodeRow>;

/** A device code that is to be kept. */
export interface NewDeviceCode {
  /** SHA-256 in hex of the codes. */
  deviceHash: string;
  userHash: string;
  /** The name of the machine that asks, as it says. */
  client: string;
  address: string;
  /** The network of the address, which `most.network` counts by. */
  network: string;
  scopes: readonly string[];
  expiresAt: string;
  intervalS: number;
}

/** What a poll finds: the row as it was before the poll, and whether the poll came too early. */
export interface Poll {
  row: DeviceCodeRow;
  isEarly: boolean;
}

/** Rows are kept so long after their end, so that a late poll learns how it ended, milliseconds. */
const KEPT_MS = 10 * 60_000;
/** A poll that is early by less than this is the network's, milliseconds. */
const EARLY_MS = 500;
/** Seconds that each early poll adds to the interval (RFC 8628, section 3.5), and the longest interval. */
const SLOWER_S = 5;
const SLOWEST_S = 60;

/** The table of device codes. Owned by the store; methods reject with the database's error. */
export class DeviceCodes {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Keeps a new code; false where so many are kept already, in all or for its network. */
  async createWithin(code: NewDeviceCode, most: { all: number; network: number }): Promise<boolean> {
    const now = Date.now();
    return this.#database.transaction(async (sql) => {
      await sql`DELETE FROM device_codes WHERE expires_at < ${new Date(now - KEPT_MS).toISOString()}`;
      if ((await countOf(sql`SELECT COUNT(*) AS n FROM device_codes`)) >= most.all) return false;
      const ofNetwork = sql`SELECT COUNT(*) AS n FROM device_codes
        WHERE network = ${code.network} AND consumed_at IS NULL AND expires_at > ${new Date(now).toISOString()}`;
      if ((await countOf(ofNetwork)) >= most.network) return false;
      await sql`INSERT INTO device_codes ${sql({
        id: Bun.randomUUIDv7(),
        device_hash: code.deviceHash,
        user_hash: code.userHash,
        client: code.client,
        address: code.address,
        network: code.network,
        scopes: JSON.stringify(code.scopes),
        created_at: new Date(now).toISOString(),
        expires_at: code.expiresAt,
        interval_s: code.intervalS,
      })}`;
      return true;
    });
  }

  /** The code that waits for a decision; null for one that is unknown, expired or decided. */
  async findPending(userHash: string): Promise<DeviceCodeRow | null> {
    const now = new Date().toISOString();
    const rows = await this.#database.run(
      (sql) => sql`SELECT * FROM device_codes WHERE user_hash = ${userHash} AND ${pending(sql, now)}`,
    );
    return z.array(deviceCodeRow).parse(rows)[0] ?? null;
  }

  /** Approves or denies a code that waits, once. Null where another decision was first, or the code has expired. */
  async decide(userHash: string, userId: string, isApproved: boolean): Promise<DeviceCodeRow | null> {
    const now = new Date().toISOString();
    const rows = await this.#database.run((sql) =>
      isApproved
        ? sql`UPDATE device_codes SET approved_at = ${now}, user_id = ${userId}
            WHERE user_hash = ${userHash} AND ${pending(sql, now)} RETURNING *`
        : sql`UPDATE device_codes SET denied_at = ${now}, user_id = ${userId}
            WHERE user_hash = ${userHash} AND ${pending(sql, now)} RETURNING *`,
    );
    return z.array(deviceCodeRow).parse(rows)[0] ?? null;
  }

  /** Notes a poll. One that comes before its interval is over makes the interval longer. Null for an unknown code. */
  async poll(deviceHash: string): Promise<Poll | null> {
    const now = Date.now();
    return this.#database.transaction(async (sql) => {
      const rows = await sql`SELECT * FROM device_codes WHERE device_hash = ${deviceHash}`;
      const row = z.array(deviceCodeRow).parse(rows)[0];
      if (!row) return null;
      const next = row.polled_at === null ? 0 : Date.parse(row.polled_at) + row.interval_s * 1000;
      const isEarly = now < next - EARLY_MS;
      const interval = Math.min(SLOWEST_S, row.interval_s + (isEarly ? SLOWER_S : 0));
      await sql`UPDATE device_codes SET polled_at = ${new Date(now).toISOString()}, interval_s = ${interval}
        WHERE id = ${row.id}`;
      return { row, isEarly };
    });
  }

  /** Takes an approved code, for the one poll that gets the token. False where another poll was first. */
  async consume(id: string): Promise<boolean> {
    const now = new Date().toISOString();
    const rows: unknown = await this.#database.run(
      (sql) => sql`UPDATE device_codes SET consumed_at = ${now}
        WHERE id = ${id} AND approved_at IS NOT NULL AND consumed_at IS NULL AND expires_at > ${now} RETURNING id`,
    );
    return Array.isArray(rows) && rows.length === 1;
  }
}

// --- internal ---

function pending(sql: Queryable, now: string) {
  return sql`approved_at IS NULL AND denied_at IS NULL AND expires_at > ${now}`;
}
