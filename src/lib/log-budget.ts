/** How much a log may grow, whatever causes it: lines of each level by a token bucket, the rest only counted. */

/** Lines of one level that may come at once. */
export const LOG_BURST_LINES = 1_000;
/** Lines of one level a second in the long run. */
export const LOG_LINES_PER_SECOND = 10;

export class LogBudget {
  readonly #now: () => number;
  readonly #burst: number;
  readonly #rate: number;
  #tokens: number;
  #at: number;
  #dropped = 0;

  /** @param now ms that only grow */
  constructor(burst = LOG_BURST_LINES, perSecond = LOG_LINES_PER_SECOND, now = () => performance.now()) {
    this.#burst = burst;
    this.#rate = perSecond;
    this.#now = now;
    this.#tokens = burst;
    this.#at = now();
  }

  /** @returns how many lines were left out since the last one that was written; null where this one is, too */
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
