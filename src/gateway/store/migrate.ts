/** Brings a database to the schema that this build knows. */
import { RexecError } from "../../lib/errors.ts";
import type { Database, Queryable } from "./database.ts";
import { MIGRATIONS, type Migration } from "./migrations/index.ts";

/**
 * Applies the missing migrations, each in a transaction of its own together with its entry.
 * @returns the versions that were applied
 * @throws RexecError `newer_schema` where a newer build made the database
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<number[]> {
  await database.run(
    (sql) =>
      sql`CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL)`,
  );
  const current = await schemaVersion(database);
  const newest = newestSchema(migrations);
  if (current > newest) throw tooNew(current, newest);
  const missing = migrations.filter(({ version }) => version > current);
  for (const migration of missing) await database.transaction((sql) => apply(sql, migration));
  return missing.map(({ version }) => version);
}

/** The version that this program brings a database to. */
export function newestSchema(migrations: readonly Migration[] = MIGRATIONS): number {
  return migrations.at(-1)?.version ?? 0;
}

/** `newer_schema`: a newer program made the database. */
export function tooNew(current: number, newest = newestSchema()): RexecError {
  return new RexecError(
    `the database has schema version ${current}, and this program knows versions up to ${newest}`,
    {
      code: "newer_schema",
      hint: "a newer rexec wrote it: run that version, or give another --data folder",
    },
  );
}

/** The newest migration that was applied; 0 for none. Expects the table of migrations. */
export async function schemaVersion(database: Database): Promise<number> {
  const rows: unknown = await database.run(
    (sql) => sql`SELECT MAX(version) AS version FROM schema_migrations`,
  );
  const [row] = Array.isArray(rows) ? rows : [];
  return Number(row?.version ?? 0);
}

// --- internal ---

async function apply(sql: Queryable, { version, name, sql: statements }: Migration): Promise<void> {
  // `simple`: several statements in one call, which both databases take only without parameters.
  await sql.unsafe(statements).simple();
  await sql`INSERT INTO schema_migrations (version, name, applied_at) VALUES (${version}, ${name}, ${new Date().toISOString()})`;
}
