/**
 * Sends the audit log to a collector, in order and at least once. The log itself is the queue: a place in it is kept in the
 * store, so that a restart loses nothing and a dead collector costs no memory.
 */
import { type BackoffOptions, backoffDelay } from "../../../lib/backoff.ts";
import { messageOf } from "../../../lib/errors.ts";
import { gather } from "../../../lib/gather.ts";
import type { Logger } from "../../../lib/log.ts";
import type { Audits } from "../../store/audit.ts";
import type { AuditLog } from "../audit.ts";
import type { AuditRow } from "../row.ts";

/** Where rows go. Owned by its forwarder, which closes it. */
export interface Collector {
  /** Names the place of this collector in the store: another address is another collector. */
  readonly key: string;
  /** For messages: an address without secrets. */
  readonly name: string;
  /** Resolves once the collector has the rows. @throws any error: they are sent again later */
  send(rows: readonly AuditRow[], signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Rows that a collector may be behind; more are dropped, the oldest first. */
export const MAX_BEHIND = 100_000;
/** Rows of one delivery. */
const BATCH = 100;
/** Rows are gathered for so long, ms. */
const GATHER_MS = 200;
/** Longest delivery, ms. */
const SEND_MS = 10_000;
const RETRY: BackoffOptions = { baseMs: 1_000, capMs: 5 * 60_000, healthyAfterMs: 0 };

/** What a forwarder is made with. */
export interface ForwarderOptions {
  audits: Pick<Audits, "following" | "forwarded" | "heads" | "markForwarded">;
  audit: AuditLog;
  chain: string;
  collector: Collector;
  logger: Logger;
  maxBehind?: number;
  retry?: BackoffOptions;
}

/** One collector's place in the log, and the loop that moves it. Owned by the gateway. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #wake = Promise.withResolvers<void>();
  #sent = 0;
  #dropped = 0;
  /** Dropped since the last row that says so. */
  #untold = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  /** For metrics. */
  get dropped(): number {
    return this.#dropped;
  }

  /** There are new rows. */
  wake(): void {
    this.#wake.resolve();
  }

  /** Ends a delivery that is under way: its rows are sent again after the next start. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#done;
    this.#options.collector.close();
  }

  // --- internal ---

  async #run(): Promise<void> {
    let isPlaced = false;
    for (let failures = 0; !this.#stop.signal.aborted; ) {
      try {
        if (!isPlaced) await this.#takePlace();
        isPlaced = true;
        const sent = await this.#sendNext();
        failures = 0;
        if (sent) continue;
        await this.#pause(this.#wake.promise);
        this.#wake = Promise.withResolvers();
        await this.#sleep(GATHER_MS);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#complain(error);
        await this.#sleep(backoffDelay(this.#options.retry ?? RETRY, failures));
        failures += 1;
      }
    }
  }

  /** A collector that is new gets what happens from now on. */
  async #takePlace(): Promise<void> {
    const { audits, chain, collector } = this.#options;
    const place = await audits.forwarded(collector.key, chain);
    this.#sent = place?.sent ?? (await this.#newest());
    this.#dropped = place?.dropped ?? 0;
    if (!place) await this.#mark();
  }

  /** @returns false where there was nothing to send */
  async #sendNext(): Promise<boolean> {
    const { audits, audit, chain, collector, maxBehind = MAX_BEHIND } = this.#options;
    const behind = (await this.#newest()) - this.#sent;
    if (behind > maxBehind) this.#drop(behind - maxBehind);
    const rows = await audits.following(chain, this.#sent, BATCH);
    const last = rows.at(-1);
    if (!last) return false;
    const limit = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(SEND_MS)]);
    await collector.send(rows, limit);
    this.#sent = last.seq;
    // Where the place cannot be kept, these rows are sent again after a restart.
    await this.#mark().catch((error: unknown) => this.#complain(error));
    if (this.#untold > 0) {
      const details = { count: this.#untold };
      audit.record({ action: "audit.forward_dropped", target: collector.name, details });
      this.#untold = 0;
    }
    return true;
  }

  #drop(count: number): void {
    this.#sent += count;
    this.#dropped += count;
    this.#untold += count;
  }

  async #newest(): Promise<number> {
    const heads = await this.#options.audits.heads();
    return heads.find(({ chain }) => chain === this.#options.chain)?.newest_seq ?? 0;
  }

  #mark(): Promise<void> {
    const { audits, chain, collector } = this.#options;
    return audits.markForwarded(collector.key, chain, this.#sent, this.#dropped);
  }

  #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    return this.#pause(promise).finally(() => clearTimeout(timer));
  }

  /** Resolves with the promise, or at the end. */
  async #pause(promise: Promise<void>): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return;
    const ended = Promise.withResolvers<void>();
    const end = () => ended.resolve();
    signal.addEventListener("abort", end, { once: true });
    await Promise.race([promise, ended.promise]);
    signal.removeEventListener("abort", end);
  }

  #complain(error: unknown): void {
    const { collector, logger } = this.#options;
    const line = `cannot send the audit log to ${collector.name}: ${messageOf(error)}; it is tried again`;
    gather(logger, { level: "warn", kind: "audit collectors", who: collector.key }, line);
  }
}
