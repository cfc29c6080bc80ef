/** How many requests of one viewer are done: so many at once, then so many a second. */

/** Of requests that the agent answers. */
const ASKED = { burst: 256, perSecond: 50 };
/** Of changes of control: each is told to all viewers of the session. */
export const CONTROL_RATE = { burst: 16, perSecond: 2 };

/** Owned by a viewer's connection. */
export class RequestRate {
  readonly #most: typeof ASKED;
  #left: number;
  #at: number;

  /** @param now performance.now() */
  constructor(now: number, most = ASKED) {
    this.#most = most;
    this.#left = most.burst;
    this.#at = now;
  }

  /** Counts one. False where there were too many. */
  allows(now: number): boolean {
    const { burst, perSecond } = this.#most;
    this.#left = Math.min(burst, this.#left + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
