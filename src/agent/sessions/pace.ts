/** How far a session's terminal may be read for the readers of its output. */
import type { ByteRing } from "../../stream/byte-ring.ts";

/** Offsets: a reader has consumed everything before `consumed`, and takes bytes before `limit`. */
export interface Credit {
  readonly consumed: number;
  readonly limit: number;
}

/** A reader of a session's output. */
export interface PaceReader {
  readonly cursor: Credit;
  /** False for a reader without a say in the pace. */
  readonly hold: boolean;
  /** A viewer looks through it. By default one with a say. */
  readonly isWatching?: boolean;
  /** There may be something to send. */
  advance(): void;
}

/** What one read of a terminal may give, and mostly does not exceed, bytes: that much of the ring stays free for it. */
const READ_BYTES = 64 * 1024;

/** Owned by its session. It says when the session's terminal is read: while a reader with a say has credit left. */
export class Pace {
  readonly #ring: ByteRing;
  readonly #viewerGraceMs: number;
  readonly #onChange: () => void;
  /** @transient viewers attach again */
  readonly #readers = new Set<PaceReader>();
  /** What was asked for over a connection that was lost. */
  #left: Credit | null = null;
  /** @transient set anew by `hold` */
  #timer: Timer | null = null;

  /** @param onChange the terminal may perhaps be read now */
  constructor(ring: ByteRing, viewerGraceMs: number, onChange: () => void) {
    this.#ring = ring;
    this.#viewerGraceMs = viewerGraceMs;
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#readers.size;
  }

  /** A reader has a say in the pace. */
  get isHeld(): boolean {
    return this.isHeldBeside(null);
  }

  /** Another reader has a say in the pace. */
  isHeldBeside(one: PaceReader | null): boolean {
    if (this.#left) return true;
    for (const reader of this.#readers) if (reader !== one && reader.hold) return true;
    return false;
  }

  /** A viewer looks, or was lost and is likely to be back. */
  get isWatched(): boolean {
    if (this.#left) return true;
    for (const { hold, isWatching = hold } of this.#readers) if (isWatching) return true;
    return false;
  }

  /** More output is wanted by one who has a say. */
  get wantsMore(): boolean {
    const { end } = this.#ring;
    if (this.#left && end < this.#until(this.#left)) return true;
    for (const { hold, cursor } of this.#readers) if (hold && end < this.#until(cursor)) return true;
    return false;
  }

  /**
   * Bytes that the ring takes before it overwrites what the fastest of those with a say has not consumed: they may yet
   * be asked for again. Infinity where no reader has a say.
   */
  get room(): number {
    const { capacity, start, end } = this.#ring;
    let consumed = this.#left?.consumed ?? -1;
    for (const { hold, cursor } of this.#readers) if (hold) consumed = Math.max(consumed, cursor.consumed);
    return consumed < 0 ? Number.POSITIVE_INFINITY : Math.max(0, Math.max(consumed, start) + capacity - end);
  }

  join(reader: PaceReader): void {
    this.#readers.add(reader);
    this.#forgetLeft();
    this.#onChange();
  }

  /** @param announced otherwise what it asked for stands for the hold time, in case that it comes back */
  leave(reader: PaceReader, announced: boolean): void {
    if (!this.#readers.delete(reader)) return;
    if (!announced && reader.hold) this.hold(reader.cursor);
    this.#onChange();
  }

  /** What was asked for over the connection that was lost last. */
  get left(): Credit | null {
    return this.#left;
  }

  /** Lets what was asked for stand for the hold time. */
  hold({ consumed, limit }: Credit): void {
    if (this.#viewerGraceMs <= 0) return;
    this.#left = {
      consumed: Math.max(consumed, this.#left?.consumed ?? 0),
      limit: Math.max(limit, this.#left?.limit ?? 0),
    };
    this.#timer ??= setTimeout(() => {
      this.#forgetLeft();
      this.#onChange();
    }, this.#viewerGraceMs);
    this.#timer.unref();
  }

  /** There is more in the ring, or the end. */
  advance(): void {
    for (const reader of this.#readers) reader.advance();
  }

  /** A reader's credit or say has changed. */
  changed(): void {
    this.#onChange();
  }

  // --- internal ---

  /** Never so far that what it has not consumed is overwritten. */
  #until({ consumed, limit }: Credit): number {
    const { capacity, start } = this.#ring;
    return Math.min(limit, Math.max(consumed, start) + capacity - Math.min(READ_BYTES, capacity / 2));
  }

  #forgetLeft(): void {
    this.#left = null;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
