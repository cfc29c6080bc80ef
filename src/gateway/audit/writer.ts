/**
 * Writes the audit log. `record` puts a row into a bounded queue and returns; batches of the queue go to the store. While
 * the store takes nothing (locked, a full disk), rows go to a bounded file, and from there to the store once it works
 * again. What neither holds is counted, and a row says how many were lost.
 */
import { messageOf } from "../../lib/errors.ts";
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import type { Audits } from "../store/audit.ts";
import { pause } from "../store/audit-search.ts";
import type { AuditEntry, AuditLog } from "./audit.ts";
import { draftOf, sizeOf } from "./draft.ts";
import { Gathering, WINDOW_MS } from "./gathering.ts";
import type { AuditDraft, AuditRow } from "./row.ts";
import { Spill } from "./spill.ts";

/** The chain of a gateway. */
export const MAIN_CHAIN = "main";
/** Rows in memory, and their bytes. */
const MAX_QUEUED = 8_192;
const MAX_QUEUED_BYTES = 8 * 1024 * 1024;
/** Rows of one transaction. */
const BATCH = 128;
/** A batch gathers for so long, ms. */
const GATHER_MS = 20;
/** The store is tried again after so long, doubling, ms. */
const RETRY_MS = { first: 100, longest: 1_000 };

/** What the writer is made with. */
export interface AuditWriterOptions {
  audits: Pick<Audits, "append">;
  /** The file for rows that wait, in the data folder. */
  spillPath: string;
  logger: Logger;
  chain?: string;
  /** Bytes of that file; default `SPILL_BYTES`. */
  spillBytes?: number;
  /** See `Gathering`; default `WINDOW_MS`. */
  windowMs?: number;
}

/** Numbers for metrics. */
export interface AuditStats {
  readonly written: number;
  /** Rows in memory. */
  readonly queued: number;
  readonly spilledBytes: number;
  readonly lost: number;
  /** Credentials that were refused, of each kind. */
  readonly refused: Readonly<Record<RefusedKind, number>>;
}

/** `sign_in` is a password, a link, a code, a passkey or a provider. */
type RefusedKind = "token" | "join" | "sign_in";

const REFUSALS: Readonly<Record<string, RefusedKind>> = {
  "token.refused": "token",
  "join.refused": "join",
  sign_in_failed: "sign_in",
};

/** The one writer of a gateway's chain. Owned by the gateway, which closes it before the store. */
export class AuditWriter implements AuditLog {
  readonly chain: string;
  readonly #audits: Pick<Audits, "append">;
  readonly #logger: Logger;
  readonly #spill: Spill;
  readonly #gathering: Gathering;
  readonly #listeners = new Set<(rows: readonly AuditRow[]) => void>();
  #queue: AuditDraft[] = [];
  #bytes = 0;
  #timer: Timer | null = null;
  #draining: Promise<void> | null = null;
  /** Tries in a row that the store refused. */
  #refused = 0;
  #written = 0;
  readonly #refusals = { token: 0, join: 0, sign_in: 0 };
  #lost = 0;
  /** Lost since the last row that says so. */
  #untold: { count: number; since: string } | null = null;
  #opened = false;

  constructor(options: AuditWriterOptions) {
    this.chain = options.chain ?? MAIN_CHAIN;
    this.#audits = options.audits;
    this.#logger = options.logger;
    this.#spill = new Spill(options.spillPath, options.spillBytes);
    this.#gathering = new Gathering((draft) => this.#enqueue(draft), options.windowMs ?? WINDOW_MS);
    this.#schedule(0); // rows that an earlier process left
  }

  get stats(): AuditStats {
    const { waiting } = this.#spill;
    return {
      written: this.#written,
      queued: this.#queue.length,
      spilledBytes: waiting,
      lost: this.#lost,
      refused: this.#refusals,
    };
  }

  record(entry: AuditEntry): void {
    try {
      const draft = draftOf(entry, Date.now());
      const refusal = REFUSALS[draft.action];
      if (refusal) this.#refusals[refusal] += 1;
      this.#gathering.add(draft);
    } catch (error) {
      this.#lose(1);
      this.#complain(error);
    }
  }

  /** Told of rows once they are in the store. Returns a function that unsubscribes. */
  subscribe(listener: (rows: readonly AuditRow[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves once all that was recorded before is in the store, or in the file where the store takes nothing. */
  async flush(): Promise<void> {
    await this.#draining;
    await this.#drain();
  }

  /** Writes what is left. Entries that come later are lost. */
  async close(): Promise<void> {
    this.#gathering.flush();
    await this.flush();
    this.#cancel();
  }

  // --- internal ---

  #enqueue(draft: AuditDraft): void {
    const size = sizeOf(draft);
    if (this.#queue.length >= MAX_QUEUED || this.#bytes + size > MAX_QUEUED_BYTES) {
      this.#lose(1);
      return;
    }
    this.#queue.push(draft);
    this.#bytes += size;
    const isHalfFull = this.#queue.length >= MAX_QUEUED / 2 || this.#bytes >= MAX_QUEUED_BYTES / 2;
    // A store that is stuck is tried less often, but rows need not wait for that in memory.
    if (this.#refused > 0 && isHalfFull) this.#cancel();
    this.#schedule(this.#refused > 0 && !isHalfFull ? this.#retryMs() : GATHER_MS);
  }

  #schedule(ms: number): void {
    if (this.#draining) return; // it looks again at its end
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.#drain();
    }, ms);
  }

  #cancel(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #drain(): Promise<void> {
    this.#cancel();
    this.#draining ??= this.#drainAll().finally(() => {
      this.#draining = null;
      if (this.#queue.length > 0 || this.#spill.waiting > 0) this.#schedule(this.#retryMs());
    });
    return this.#draining;
  }

  async #drainAll(): Promise<void> {
    try {
      if (!this.#opened) await this.#spill.open();
      this.#opened = true;
      while (this.#spill.waiting > 0) await this.#drainSpill();
      while (this.#queue.length > 0) {
        await this.#drainQueue();
        await pause(); // other work of the gateway comes in between
      }
      await this.#tellLost();
      this.#refused = 0;
    } catch (error) {
      this.#refused += 1;
      this.#complain(error);
      await this.#setAside();
    }
  }

  /** The oldest rows. */
  async #drainSpill(): Promise<void> {
    const { drafts, broken, end } = await this.#spill.next();
    for (let at = 0; at < drafts.length; at += BATCH) {
      this.#tell(await this.#audits.append(this.chain, drafts.slice(at, at + BATCH), true));
      await pause();
    }
    if (broken > 0) this.#lose(broken);
    await this.#spill.taken(end);
  }

  async #drainQueue(): Promise<void> {
    const batch = this.#queue.slice(0, BATCH);
    const rows = await this.#audits.append(this.chain, batch);
    this.#drop(batch.length);
    this.#tell(rows);
  }

  async #tellLost(): Promise<void> {
    const untold = this.#untold;
    if (!untold) return;
    const { count, since } = untold;
    const draft = draftOf({ action: "audit.lost", details: { count, since } }, Date.now());
    this.#tell(await this.#audits.append(this.chain, [draft]));
    if (this.#untold) this.#untold.count -= count;
    if (this.#untold?.count === 0) this.#untold = null;
  }

  /** The store is stuck: all that is in memory goes to the file, as far as there is room. */
  async #setAside(): Promise<void> {
    try {
      const waiting = this.#queue.length;
      if (waiting === 0 || !this.#opened) return;
      const taken = await this.#spill.append(this.#queue.slice(0, waiting));
      if (taken < waiting) this.#lose(waiting - taken);
      this.#drop(waiting);
    } catch (error) {
      this.#complain(error); // it stays in memory
    }
  }

  #drop(count: number): void {
    for (const draft of this.#queue.splice(0, count)) this.#bytes -= sizeOf(draft);
  }

  #lose(count: number): void {
    this.#lost += count;
    this.#untold ??= { count: 0, since: new Date().toISOString() };
    this.#untold.count += count;
  }

  #tell(rows: readonly AuditRow[]): void {
    this.#written += rows.length;
    for (const listener of this.#listeners) {
      try {
        listener(rows);
      } catch (error) {
        this.#complain(error);
      }
    }
  }

  #retryMs(): number {
    return Math.min(RETRY_MS.longest, RETRY_MS.first * 2 ** Math.min(this.#refused, 10));
  }

  #complain(error: unknown): void {
    const why = messageOf(error);
    gather(this.#logger, { level: "error", kind: "audit", who: why }, `cannot write the audit log: ${why}`);
  }
}
