/** Bounds the growth of a log. */

/** Lines of one level in a burst. */
export const LOG_BURST_LINES = 1_000;
/** Lines of one level a second, sustained. */
export const LOG_LINES_PER_SECOND = 10;

/** A token bucket of lines; lines beyond it are counted. A logger owns one for each level. */
export class LogBudget {
  readonly #now: () => number;
  readonly #burst: number;
  readonly #rate: number;
  #tokens: number;
  #at: number;
  #dropped = 0;

  /** @param now a monotonic clock, ms */
  constructor(burst = LOG_BURST_LINES, perSecond = LOG_LINES_PER_SECOND, now = () => performance.now()) {
    this.#burst = burst;
    this.#rate = perSecond;
    this.#now = now;
    this.#tokens = burst;
    this.#at = now();
  }

  /** Asks for one line. @returns lines dropped since the last one that was written; null where this one is dropped too */
  take(): number | null {
    const now = this.#now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#rate);
    this.#at = now;
    if (this.#tokens < 1) {
      this.#dropped += 1;
      return null;
    }
    this.#tokens -= 1;
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
