/** Removes old recordings, by their age and by the bytes of all. */
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { AuditLog } from "../audit/audit.ts";
import type { RecordingRow } from "../store/recordings.ts";
import type { Store } from "../store/store.ts";

/** What is kept. 0 for all. */
export interface RetentionOptions {
  days: number;
  bytes: number;
  store: Pick<Store, "recordings">;
  remove(row: RecordingRow): Promise<boolean>;
  audit: AuditLog;
  logger: Logger;
}

const EVERY_MS = 10 * 60_000;
const DAY_MS = 24 * 60 * 60_000;
const BATCH = 200;

/** One for a gateway, which stops it. */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #timer: Timer | null;
  #running: Promise<void> | null = null;
  #stopped = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
    const isOn = options.days > 0 || options.bytes > 0;
    this.#timer = isOn ? setInterval(() => void this.run(), EVERY_MS) : null;
    if (isOn) void this.run();
  }

  /** Once, now. Never rejects: what fails is logged, and tried again with the next run. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearInterval(this.#timer);
    await this.#running;
  }

  // --- internal ---

  async #run(): Promise<void> {
    const { store, audit, logger } = this.#options;
    try {
      let { bytes } = await store.recordings.total();
      for (let rows = await store.recordings.oldest(BATCH); !this.#stopped; ) {
        let removed = 0;
        for (const row of rows) {
          const why = this.#whyNot(row, bytes);
          if (why === null || this.#stopped) return;
          if (await this.#options.remove(row)) removed += 1;
          bytes -= row.bytes;
          const agent = { id: row.agent_id, name: row.agent_name };
          audit.record({ action: "recording.expired", agent, target: row.id, details: { why } });
        }
        if (removed === 0) return;
        rows = await store.recordings.oldest(BATCH);
      }
    } catch (error) {
      logger.error(`cannot remove old recordings: ${messageOf(error)}`);
    }
  }

  /** Why a recording is kept no longer; null for one that is kept, and all that are younger. */
  #whyNot({ started_at }: RecordingRow, bytes: number): string | null {
    const { days, bytes: most } = this.#options;
    if (days > 0 && Date.parse(started_at) < Date.now() - days * DAY_MS) return `older than ${days} days`;
    return most > 0 && bytes > most ? `more than ${most} bytes` : null;
  }
}
