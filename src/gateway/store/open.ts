/** The part of the store that only SQLite needs. A Postgres store would replace this file. */

import { chmodSync, closeSync, existsSync, lchownSync, mkdirSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { SQL } from "bun";
import { errnoOf, RexecError } from "../../lib/errors.ts";
import { Database } from "./database.ts";
import { storeProblem } from "./problems.ts";

/** An open data folder. */
export interface OpenedFolder {
  database: Database;
  /** Other accounts can read the folder, which existed before the gateway opened it. */
  othersCanRead: boolean;
  /** Writes and reads; rejects with SQLite's error, also where another process holds the file for longer than a moment. */
  check(): Promise<void>;
  /** True where another process has written since the call before. */
  changedElsewhere(): Promise<boolean>;
  close(): Promise<void>;
}

/** Milliseconds that a statement waits for another process, such as a backup, to let go of the file. */
const BUSY_TIMEOUT_MS = 5_000;
/** As above, for a check: SQLite waits on our only thread, and everything waits with it. */
const CHECK_TIMEOUT_MS = 100;

/**
 * Opens `gateway.db` in the folder. Makes a missing folder with mode 0700, files with 0600.
 * @param exclusive refuse a folder that a running gateway has open; false opens it beside that gateway
 * @throws RexecError `bad_data_folder`, `data_folder_in_use`, `bad_database`
 */
export async function openFolder(folder: string, exclusive: boolean): Promise<OpenedFolder> {
  prepareFolder(folder);
  const unlock = exclusive ? await lockFolder(folder) : null;
  const file = join(folder, "gateway.db");
  try {
    const sql = await connect(file);
    const database = new Database(sql, { singleConnection: true, setPatience });
    let version = await dataVersion(database);
    return {
      database,
      othersCanRead: (statSync(folder).mode & 0o077) !== 0,
      check: () => tryOut(database),
      async changedElsewhere() {
        const before = version;
        version = await dataVersion(database);
        return version !== before;
      },
      async close() {
        await database.close();
        await unlock?.();
      },
    };
  } catch (error) {
    await unlock?.();
    throw error;
  }
}

/**
 * A second database whose exclusive lock is held while the gateway runs: the kernel lets go of it when the process
 * ends, however it ends, so no stale lock is ever left behind. The data itself stays readable for backups.
 * @returns lets go of it
 * @throws RexecError `data_folder_in_use`, `bad_database`
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  privateFile(join(folder, "gateway.lock"));
  const lock = new SQL({ adapter: "sqlite", filename: join(folder, "gateway.lock") });
  try {
    await lock.unsafe("PRAGMA locking_mode = EXCLUSIVE");
    await lock.unsafe("BEGIN EXCLUSIVE");
    await lock.unsafe("COMMIT");
    return () => lock.close();
  } catch (error) {
    await lock.close();
    if (!isBusyError(error)) throw storeProblem(join(folder, "gateway.lock"), error, "bad_database");
    throw new RexecError(`another gateway is using the data folder ${folder}`, {
      code: "data_folder_in_use",
      hint: "stop that one first, or give this one a folder of its own with --data",
      cause: error,
    });
  }
}

/**
 * Copies a database that others may be writing to, as it is at one moment, and checks the copy.
 * @param target an empty file, which keeps its mode
 * @throws the system's or SQLite's error, RexecError `bad_database`
 */
export async function copyDatabase(source: string, target: string): Promise<void> {
  const sql = new SQL({ adapter: "sqlite", filename: source, create: false, readwrite: true });
  try {
    await sql.unsafe(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    await assertOurs(sql, source);
    await sql.unsafe(`VACUUM INTO '${target.replaceAll("'", "''")}'`);
  } finally {
    await sql.close();
    keepOwner(source);
  }
  const copy = new SQL({ adapter: "sqlite", filename: target, readonly: true });
  try {
    await assertOurs(copy, target);
    const [row] = await copy.unsafe("PRAGMA quick_check");
    if (row?.quick_check !== "ok")
      throw foreign(source, "is damaged: a copy of it does not pass SQLite's check");
  } finally {
    await copy.close();
  }
}

/** What is in a database. */
export interface DatabaseContent {
  /** The newest migration that was applied. */
  schema: number;
  users: number;
  agents: number;
  tokens: number;
}

/**
 * Looks into a database that nothing has open, and checks all of it.
 * @param name the file as errors call it
 * @throws the system's or SQLite's error, RexecError `bad_database` for one that is damaged or another program's
 */
export async function inspectDatabase(file: string, name = file): Promise<DatabaseContent> {
  const sql = new SQL({ adapter: "sqlite", filename: file, readonly: true });
  try {
    if (!(await assertOurs(sql, name))) throw foreign(name, EMPTY);
    const [{ integrity_check: integrity } = { integrity_check: "" }] =
      await sql.unsafe("PRAGMA integrity_check(1)");
    const orphans: unknown[] = await sql.unsafe("PRAGMA foreign_key_check");
    if (integrity !== "ok" || orphans.length > 0) throw foreign(name, "is damaged");
    const one = async (query: string) => Number((await sql.unsafe(query))[0]?.n ?? 0);
    return {
      schema: await one("SELECT MAX(version) AS n FROM schema_migrations"),
      users: await one("SELECT COUNT(*) AS n FROM users"),
      agents: await one("SELECT COUNT(*) AS n FROM agents"),
      tokens: await one("SELECT COUNT(*) AS n FROM tokens"),
    };
  } catch (error) {
    throw storeProblem(name, error, "bad_database");
  } finally {
    await sql.close();
    keepOwner(file);
  }
}

/**
 * Has the database itself refuse to change the audit log: rows are appended, and go only from the front, once the chain's
 * head says so. It stops a mistake, not an owner of the file, who can drop the triggers.
 */
export async function guardAudit(database: Database): Promise<void> {
  for (const trigger of AUDIT_GUARDS) await database.run((sql) => sql.unsafe(trigger));
}

/** True where another process, or another statement, holds the database. */
export function isBusyError(error: unknown): boolean {
  return /BUSY|LOCKED/.test(errnoOf(error) ?? "");
}

/** True for an error of the database itself. */
export function isDatabaseError(error: unknown): boolean {
  return errnoOf(error)?.startsWith("SQLITE_") ?? false;
}

// --- internal ---

const AUDIT_GUARDS = [
  `CREATE TRIGGER IF NOT EXISTS audit_no_update BEFORE UPDATE ON audit
     BEGIN SELECT RAISE(ABORT, 'rows of the audit log are never changed'); END`,
  `CREATE TRIGGER IF NOT EXISTS audit_no_delete BEFORE DELETE ON audit
     WHEN OLD.seq >= COALESCE((SELECT first_seq FROM audit_heads WHERE chain = OLD.chain), 0)
     BEGIN SELECT RAISE(ABORT, 'rows of the audit log are deleted by retention alone'); END`,
  `CREATE TRIGGER IF NOT EXISTS audit_head_no_delete BEFORE DELETE ON audit_heads
     BEGIN SELECT RAISE(ABORT, 'the head of the audit log is never deleted'); END`,
  `CREATE TRIGGER IF NOT EXISTS audit_head_forward BEFORE UPDATE ON audit_heads
     WHEN NEW.chain <> OLD.chain OR NEW.newest_seq < OLD.newest_seq OR NEW.first_seq < OLD.first_seq
     BEGIN SELECT RAISE(ABORT, 'the head of the audit log only moves forward'); END`,
];

function prepareFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storeProblem(folder, error, "bad_data_folder");
  }
  // SQLite gives its -wal and -shm files the mode of the main file.
  privateFile(join(folder, "gateway.db"));
}

/** SQLite's number for it: it changes with what other connections write. */
async function dataVersion(database: Database): Promise<number> {
  const [row] = await database.run((sql) => sql.unsafe("PRAGMA data_version"));
  return Number(row?.data_version ?? 0);
}

/** What root makes by looking would keep the gateway's own account out. */
function keepOwner(file: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(file);
  for (const path of [`${file}-wal`, `${file}-shm`]) if (existsSync(path)) lchownSync(path, uid, gid);
}

function privateFile(path: string): void {
  try {
    if (existsSync(path)) chmodSync(path, 0o600);
    closeSync(openSync(path, "a", 0o600));
  } catch (error) {
    throw storeProblem(path, error, "bad_data_folder");
  }
}

async function connect(file: string): Promise<SQL> {
  const sql = new SQL({ adapter: "sqlite", filename: file });
  try {
    await sql.unsafe(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    await sql.unsafe("PRAGMA journal_mode = WAL");
    await sql.unsafe("PRAGMA synchronous = NORMAL");
    await sql.unsafe("PRAGMA foreign_keys = ON");
    await assertOurs(sql, file);
    return sql;
  } catch (error) {
    await sql.close();
    throw storeProblem(file, error, "bad_database");
  }
}

/**
 * Flips a number that is nothing to the tables, so that a full or read-only disk is noticed: SQLite writes nothing where
 * a row becomes what it was.
 */
async function tryOut(database: Database): Promise<void> {
  const rows: unknown = await database.run(async (sql) => {
    await sql.unsafe(`PRAGMA busy_timeout = ${CHECK_TIMEOUT_MS}`);
    try {
      const [row] = await sql.unsafe("PRAGMA user_version");
      await sql.unsafe(`PRAGMA user_version = ${row?.user_version === 1 ? 0 : 1}`);
      return await sql`SELECT version FROM schema_migrations WHERE version = 1`;
    } finally {
      await sql.unsafe(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    }
  });
  if (!Array.isArray(rows) || rows.length !== 1) throw new Error("the store has lost its first migration");
}

/** A statement that waits blocks the whole process. */
async function setPatience(sql: SQL, waits: boolean): Promise<void> {
  await sql.unsafe(`PRAGMA busy_timeout = ${waits ? BUSY_TIMEOUT_MS : 0}`);
}

const EMPTY =
  "has no tables: it may be the file of a gateway that ran while it was copied, whose data is in other files";

/** A database of another program is left alone. @returns false for an empty one */
async function assertOurs(sql: SQL, file: string): Promise<boolean> {
  const tables: { name: string }[] = await sql.unsafe("SELECT name FROM sqlite_master WHERE type = 'table'");
  if (tables.length === 0) return false;
  if (tables.some(({ name }) => name === "schema_migrations")) return true;
  throw foreign(file, "is a database of another program");
}

function foreign(file: string, why: string): RexecError {
  return new RexecError(`${file} ${why}`, {
    code: "bad_database",
    hint: "restore it from a backup (rexec admin backup makes one), or give another folder with --data",
  });
}
