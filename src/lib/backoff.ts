/**
 * Exponential backoff with full jitter: each delay is drawn evenly from 0 to a ceiling that doubles, so that a
 * thousand agents which lost the same server do not come back in step.
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
 */
export interface BackoffOptions {
  /** Ceiling of the first delay, ms. */
  baseMs: number;
  /** Ceiling of every later delay, ms. */
  capMs: number;
  /** A connection that lived this long resets the delays, ms. */
  healthyAfterMs: number;
  /** Even in [0, 1). */
  random?: () => number;
}

/** First retry within a second, never more than 30 s apart, forgotten after a minute of health. */
export const RECONNECT: BackoffOptions = { baseMs: 1_000, capMs: 30_000, healthyAfterMs: 60_000 };

/** The delay in ms after `attempt` earlier ones (0 for the first). */
export function backoffDelay(options: BackoffOptions, attempt: number): number {
  const { baseMs, capMs, random = Math.random } = options;
  return random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30));
}

/** The delays of one connection that is tried again. Owned by its loop. */
export class Backoff {
  #attempt = 0;
  readonly #options: BackoffOptions;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Delays drawn since the last reset. */
  get attempt(): number {
    return this.#attempt;
  }

  /** The next delay in ms. */
  next(): number {
    const delay = backoffDelay(this.#options, this.#attempt);
    this.#attempt += 1;
    return delay;
  }

  /** Call it with the lifetime of each connection, ms: a healthy one resets the delays. */
  connectionLived(ms: number): void {
    if (ms >= this.#options.healthyAfterMs) this.#attempt = 0;
  }
}
