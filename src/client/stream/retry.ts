/** When to try again: at once-ish, then within a second for as long as somebody is likely to watch, then less often. */
import { backoffDelay } from "../../lib/backoff.ts";
import { dialLimit, pauseLeft } from "../../lib/dialing.ts";

const FIRST_MS = 250;
/** A line that comes back within `PATIENT_MS` is noticed within a second. */
const CAP_MS = 1_000;
const PATIENT_MS = 120_000;
const LATER_CAP_MS = 5_000;

export class Retry {
  #attempt = 0;
  #lostAt: number | null = null;
  /** When the try began that has come to nothing so far. */
  #dialledAt: number | null = null;
  #tookMs: number | null = null;

  /** When the line was lost; null while it is there. */
  get lostAt(): number | null {
    return this.#lostAt;
  }

  /** A try begins: how long it may take, ms. */
  dial(nowMs: number): number {
    this.#dialledAt = nowMs;
    return dialLimit(this.#attempt, this.#tookMs);
  }

  /** It came to something. */
  opened(nowMs: number): void {
    if (this.#dialledAt !== null) this.#tookMs = nowMs - this.#dialledAt;
    this.#dialledAt = null;
  }

  /** A session was attached: the next loss is a new one. */
  succeeded(): void {
    this.#attempt = 0;
    this.#lostAt = null;
  }

  /** The line was lost, or a try failed: how long to wait, ms. */
  next(nowMs: number): number {
    this.#lostAt ??= nowMs;
    const capMs = nowMs - this.#lostAt < PATIENT_MS ? CAP_MS : LATER_CAP_MS;
    const delay = backoffDelay({ baseMs: FIRST_MS, capMs, healthyAfterMs: 0 }, this.#attempt);
    this.#attempt += 1;
    return pauseLeft(delay, nowMs - (this.#dialledAt ?? nowMs));
  }
}
