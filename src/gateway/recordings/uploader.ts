/** Sends ended recordings to the bucket, one after the other, as often as it takes. Until then they are in the folder. */
import { backoffDelay } from "../../lib/backoff.ts";
import { messageOf } from "../../lib/errors.ts";
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import type { RecordingRow } from "../store/recordings.ts";
import type { Store } from "../store/store.ts";
import type { RecordingBucket } from "./bucket.ts";
import type { RecordingFolder } from "./storage.ts";

/** What an uploader works with. */
export interface UploaderOptions {
  store: Pick<Store, "recordings">;
  folder: RecordingFolder;
  bucket: RecordingBucket;
  logger: Logger;
  /** Bytes that may wait in the folder; beyond them nothing more is recorded. Default `SPOOL_BYTES`. */
  spoolBytes?: number | undefined;
}

/** Ended recordings that wait for the bucket, bytes. */
const SPOOL_BYTES = 8 * 1024 ** 3;
const BATCH = 100;
const RETRIES = { baseMs: 1_000, capMs: 5 * 60_000, healthyAfterMs: 0 };
/** A try that takes longer than this has failed, ms: 1 GB at 10 Mbit/s takes 14 minutes. */
const TRY_MS = 60 * 60_000;

/** One for a gateway with a bucket, which stops it. */
export class Uploader {
  readonly #options: UploaderOptions;
  #waitingBytes = 0;
  #working: Promise<void> | null = null;
  #wake: (() => void) | null = null;
  #stopped = false;
  /** One has ended since the last look. */
  #again = false;

  constructor(options: UploaderOptions) {
    this.#options = options;
    this.ended(0);
  }

  /** Why nothing more may be recorded; null where there is room. */
  get blocked(): string | null {
    const { spoolBytes = SPOOL_BYTES } = this.#options;
    return this.#waitingBytes > spoolBytes ? "the bucket takes no recordings" : null;
  }

  /** A recording of so many bytes is ready. */
  ended(bytes: number): void {
    this.#waitingBytes += bytes;
    this.#again = true;
    if (this.#stopped) return;
    this.#working ??= this.#work().finally(() => {
      this.#working = null;
    });
  }

  /** Resolves when no upload is under way, within a moment: what is not there goes with the next start. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  // --- internal ---

  async #work(): Promise<void> {
    for (let attempt = 0; !this.#stopped; ) {
      this.#again = false;
      const done = await this.#round().catch((error: unknown) => {
        const why = messageOf(error);
        const cause = { level: "warn", kind: "bucket", who: why } as const;
        gather(this.#options.logger, cause, `cannot send recordings to the bucket: ${why}`);
        return null;
      });
      if (done === 0 && !this.#again) return;
      if (done !== null) attempt = 0;
      else {
        await this.#pause(backoffDelay(RETRIES, attempt));
        attempt += 1;
      }
    }
  }

  /** @returns how many it has sent */
  async #round(): Promise<number> {
    const { recordings } = this.#options.store;
    this.#waitingBytes = await recordings.bytesAt("folder");
    const rows = await recordings.oldest(BATCH, "folder");
    for (const row of rows) {
      if (this.#stopped) return 0;
      await this.#send(row);
      this.#waitingBytes -= row.bytes;
    }
    return rows.length;
  }

  async #send(row: RecordingRow): Promise<void> {
    const { store, folder, bucket } = this.#options;
    for (const kind of ["cast", "idx"] as const) {
      if ((await folder.size(row.id, kind)) === null) continue;
      await inTime(bucket.upload(row.id, kind, folder.path(row.id, kind)));
    }
    // The row first: a reader must not look where nothing is any more.
    await store.recordings.save({ ...row, place: "bucket" });
    await folder.remove(row.id);
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake = () => {
      clearTimeout(timer);
      resolve();
    };
    return promise;
  }
}

// --- internal ---

async function inTime(upload: Promise<void>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("the bucket does not answer")), TRY_MS);
  try {
    await Promise.race([upload, late]);
  } finally {
    clearTimeout(timer);
  }
}
