/** What a mirror asks for by itself: what the agent has up to where the mirror attached, at the pace of the line. */
import { CreditWindow } from "../../stream/credit.ts";

/** Of a session's past on a slow line: some 1,000 lines. */
const TAIL_BYTES = 256 * 1024;
/** A line that is not through with a ring in this time is slow, milliseconds. */
const SLOW_MS = 1_000;

/** Owned by a mirror, from its attaching until the past is there. Offsets in bytes, times of performance.now(). */
export class Backfill {
  readonly #window: CreditWindow;
  #target = Number.MAX_SAFE_INTEGER;
  #startedAt: number | null = null;

  constructor(from: number) {
    this.#window = new CreditWindow(from);
  }

  /** Where the past begins that a slow line is asked for: what its readers still need is in it. */
  static tail(end: number, readers: Iterable<{ sent: number | null }>): number {
    let from = Math.max(0, end - TAIL_BYTES);
    for (const { sent } of readers) if (sent !== null) from = Math.min(from, sent);
    return from;
  }

  /** The agent has answered. @param target how much output there is */
  begin(target: number, now: number): void {
    if (this.#startedAt !== null) return;
    this.#startedAt = now;
    this.#target = target;
  }

  /** The limit to be granted. @param received where the copy ends */
  advance(received: number, now: number): number {
    this.#window.advance(received, now);
    return Math.min(this.#window.limit, this.#target);
  }

  isDone(received: number): boolean {
    return received >= this.#target;
  }

  /** There is much more to come than came so far. */
  isTooSlow(received: number, now: number): boolean {
    const late = this.#startedAt !== null && now - this.#startedAt > SLOW_MS;
    return late && this.#target - received > TAIL_BYTES;
  }
}
