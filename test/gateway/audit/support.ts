/** An open data folder with an audit log, and a hand in its database file. */
import { Database as File } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AuditWriter, type AuditWriterOptions } from "../../../src/gateway/audit/writer.ts";
import { openStore, type Store } from "../../../src/gateway/store/store.ts";
import { arrayLogger } from "../../support/gateway.ts";

export interface AuditFolder extends AsyncDisposable {
  readonly path: string;
  readonly file: string;
  readonly store: Store;
  readonly log: string[];
  writer(options?: Partial<AuditWriterOptions>): AuditWriter;
  /** Changes the file as another program would, the guards of the table dropped. */
  tamper(...statements: string[]): void;
  /** Holds the write lock of the file, as a stuck process would. Returns a function that lets go. */
  hold(): () => void;
}

export async function auditFolder(): Promise<AuditFolder> {
  const path = mkdtempSync(join(tmpdir(), "rexec-audit-"));
  const file = join(path, "gateway.db");
  const store = await openStore(path);
  const log: string[] = [];
  const writers: AuditWriter[] = [];
  return {
    path,
    file,
    store,
    log,
    writer(options = {}) {
      const writer = new AuditWriter({
        audits: store.audits,
        spillPath: join(path, "audit-spill.jsonl"),
        logger: arrayLogger(log),
        ...options,
      });
      writers.push(writer);
      return writer;
    },
    tamper: (...statements) => tamper(file, ...statements),
    hold: () => hold(file),
    async [Symbol.asyncDispose]() {
      for (const writer of writers) await writer.close();
      await store.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
}

export function tamper(file: string, ...statements: string[]): void {
  const database = new File(file);
  database.exec("PRAGMA busy_timeout = 5000");
  for (const name of ["audit_no_update", "audit_no_delete", "audit_head_no_delete", "audit_head_forward"])
    database.exec(`DROP TRIGGER IF EXISTS ${name}`);
  for (const statement of statements) database.exec(statement);
  database.close();
}

export function hold(file: string): () => void {
  const database = new File(file);
  database.exec("PRAGMA busy_timeout = 5000");
  database.exec("BEGIN IMMEDIATE");
  return () => {
    database.exec("ROLLBACK");
    database.close();
  };
}
