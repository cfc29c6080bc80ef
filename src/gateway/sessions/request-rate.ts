/** How many requests of one viewer are handed on to the agent: so many at once, then so many a second. */

const BURST = 256;
const PER_SECOND = 50;

/** Owned by a viewer's connection. */
export class RequestRate {
  #left = BURST;
  #at: number;

  /** @param now performance.now() */
  constructor(now: number) {
    this.#at = now;
  }

  /** Counts one. False where there were too many. */
  allows(now: number): boolean {
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) / 1000) * PER_SECOND);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
