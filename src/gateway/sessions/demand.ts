/**
 * How much output a mirror asks the agent for: as much as the fastest of its readers wants, and never more than the
 * ring can hold for that one. Without readers, a trickle.
 */
import type { ByteRing } from "../../stream/byte-ring.ts";
import type { ReaderPlace } from "./reader.ts";

/** What the agent is told. */
export interface DemandEvents {
  ack(consumed: number, limit: number): void;
  hold(hold: boolean): void;
}

/** A reader that dropped off. */
interface DetachedReader {
  consumed: number;
  limit: number;
  /** performance.now() */
  until: number;
}

/** Unwatched output is taken in these steps: 256 KiB a second. */
const TRICKLE_BYTES = 64 * 1024;
const TRICKLE_MS = 250;
/** Readers that dropped off and are remembered. */
const MAX_DETACHED = 128;

/** Owned by a mirror. Offsets in bytes; throws nothing. */
export class Demand {
  /** The ring must keep what comes from this offset on, while a snapshot of it is made. */
  barrier: number | null = null;
  readonly #ring: ByteRing;
  readonly #viewerGraceMs: number;
  readonly #events: DemandEvents;
  readonly #readers = new Set<ReaderPlace>();
  readonly #detached = new Map<string, DetachedReader>();
  #backfillLimit = 0;
  #plugged = false;
  #told = { consumed: -1, limit: -1 };
  #toldHold = true;
  #timer: Timer | null = null;

  constructor(ring: ByteRing, viewerGraceMs: number, events: DemandEvents) {
    this.#ring = ring;
    this.#viewerGraceMs = viewerGraceMs;
    this.#events = events;
  }

  /** A reader has a say in the pace. */
  get holds(): boolean {
    if (this.#detached.size > 0) return true;
    for (const reader of this.#readers) if (reader.hold) return true;
    return false;
  }

  /** There is a channel, which knows `holds` as it was when it was asked for and nothing else. */
  plug(): void {
    this.#plugged = true;
    this.update();
  }

  /** The channel is gone. The next one is asked for with `holds`. */
  unplug(): void {
    this.#plugged = false;
    this.#told = { consumed: -1, limit: -1 };
    this.#toldHold = this.holds;
    this.#clearTimer();
  }

  join(reader: ReaderPlace): void {
    this.#readers.add(reader);
    this.#detached.delete(reader.viewer);
  }

  leave(reader: ReaderPlace, announced: boolean): void {
    this.#readers.delete(reader);
    if (announced || !reader.hold) return;
    const { consumed, limit } = reader;
    this.#detached.set(reader.viewer, {
      consumed,
      limit: limit ?? 0,
      until: performance.now() + this.#viewerGraceMs,
    });
    for (const [oldest] of this.#detached) {
      if (this.#detached.size <= MAX_DETACHED) break;
      this.#detached.delete(oldest);
    }
  }

  /** What the mirror itself wants, with or without readers. */
  backfill(limit: number): void {
    this.#backfillLimit = limit;
    this.update();
  }

  /** Tells the agent what has changed. */
  update(): void {
    if (!this.#plugged) return;
    const { holds } = this;
    if (holds !== this.#toldHold) {
      this.#toldHold = holds;
      this.#events.hold(holds);
    }
    const { consumed, limit } = this.#wanted(holds);
    // A reader that comes back may have more than this copy has yet.
    this.#tell(Math.min(consumed, this.#ring.end), limit);
    if (!holds) this.#trickle();
  }

  tick(now: number): void {
    for (const [viewer, { until }] of this.#detached) if (until <= now) this.#detached.delete(viewer);
    this.update();
  }

  stop(): void {
    this.#plugged = false;
    this.#detached.clear();
    this.#clearTimer();
  }

  // --- internal ---

  #wanted(holds: boolean): { consumed: number; limit: number } {
    let consumed = 0;
    let limit = 0;
    let sent: number | null = null;
    for (const reader of this.#readers) {
      if (holds && !reader.hold) continue;
      consumed = Math.max(consumed, reader.consumed);
      limit = Math.max(limit, reader.limit ?? 0);
      if (reader.sent !== null) sent = Math.max(sent ?? 0, reader.sent);
    }
    for (const detached of this.#detached.values()) {
      consumed = Math.max(consumed, detached.consumed);
      limit = Math.max(limit, detached.limit);
      sent = Math.max(sent ?? 0, detached.consumed);
    }
    const { capacity } = this.#ring;
    // A reader that has fallen out of the ring needs nothing of what is in it.
    const place = sent === null ? Infinity : Math.max(sent, this.#ring.start);
    const held = Math.min(place, this.barrier ?? Infinity) + capacity;
    return { consumed, limit: Math.min(Math.max(limit, this.#backfillLimit), held) };
  }

  #tell(consumed: number, limit: number): void {
    const known = this.#told;
    if (consumed <= known.consumed && limit <= known.limit) return;
    const told = {
      consumed: Math.max(consumed, known.consumed),
      limit: Math.max(limit, known.limit, consumed),
    };
    this.#told = told;
    this.#events.ack(told.consumed, told.limit);
  }

  /** No reader has a say: the copy is kept about right, and costs the line little. */
  #trickle(): void {
    const limit = this.#ring.end + TRICKLE_BYTES;
    if (this.#timer || this.#told.limit >= limit) return;
    this.#tell(this.#ring.end, limit);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.update();
    }, TRICKLE_MS);
  }

  #clearTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
