/**
 * How far ahead of its consumer a sender may be. The window follows the measured rate of consumption, so that about
 * `targetSeconds` of data are on their way: a fast line gets a large window and its full speed, and a slow one a small
 * window, so that an interrupt is answered at once instead of after everything that is queued.
 */
export interface CreditOptions {
  minBytes: number;
  maxBytes: number;
  /** Seconds of data on their way; at least two round trips are always granted. */
  targetSeconds: number;
  /** Rates are measured over at least this long, ms. */
  sampleMs: number;
}

export const CREDIT: CreditOptions = {
  minBytes: 16 * 1024,
  maxBytes: 1024 * 1024,
  targetSeconds: 0.3,
  sampleMs: 50,
};

/** Owned by the reader, which tells the sender `limit`. Offsets in bytes, times in ms. */
export class CreditWindow {
  #consumed: number;
  #limit: number;
  #window: number;
  #rate = 0;
  #sampleStart: number | null = null;
  #sampleBytes = 0;
  readonly #options: CreditOptions;

  /** @param consumed offset from which the stream is taken up */
  constructor(consumed: number, options: CreditOptions = CREDIT) {
    this.#options = options;
    this.#consumed = consumed;
    this.#window = options.minBytes;
    this.#limit = consumed + options.minBytes;
  }

  /** Everything before this offset was consumed. */
  get consumed(): number {
    return this.#consumed;
  }

  /** The sender may send bytes before this offset. Never falls. */
  get limit(): number {
    return this.#limit;
  }

  /** Current size of the window, bytes. */
  get window(): number {
    return this.#window;
  }

  /**
   * To be told that everything before `offset` was consumed.
   * @param nowMs any monotonic clock
   * @param rttMs round trip to the sender, where it is known
   * @param isBusy more was on its way all the time since the last call, however long ago that was
   */
  advance(offset: number, nowMs: number, rttMs = 0, isBusy = false): void {
    const bytes = offset - this.#consumed;
    if (bytes <= 0) return;
    this.#consumed = offset;
    this.#sample(bytes, nowMs, isBusy);
    const seconds = Math.max(this.#options.targetSeconds, (2 * rttMs) / 1000);
    const wanted = Math.round(this.#rate * seconds);
    this.#window = Math.min(this.#options.maxBytes, Math.max(this.#options.minBytes, wanted));
    this.#limit = Math.max(this.#limit, offset + this.#window);
  }

  // --- internal ---

  #sample(bytes: number, nowMs: number, isBusy: boolean): void {
    const started = this.#sampleStart;
    const elapsed = started === null ? 0 : nowMs - started;
    // Silence says nothing about how fast the line is: a sample that lay idle is begun anew.
    if (started === null || (!isBusy && elapsed > 20 * this.#options.sampleMs)) {
      this.#sampleStart = nowMs;
      this.#sampleBytes = 0;
      return;
    }
    this.#sampleBytes += bytes;
    if (elapsed < this.#options.sampleMs) return;
    const rate = (this.#sampleBytes * 1000) / elapsed;
    // A line that has become a slow one is one at once: what is on its way was meant for a fast one.
    const isNew = this.#rate === 0 || rate < this.#rate / 4;
    this.#rate = isNew ? rate : (this.#rate + rate) / 2;
    this.#sampleStart = nowMs;
    this.#sampleBytes = 0;
  }
}
