/** When a mirror's screen is brought up to date, and who gets a snapshot of it. */
import type { ByteRing } from "../../lib/byte-ring.ts";
import { Screen, type Snapshot, type TerminalSize } from "./screen.ts";

export interface ScreeningEvents {
  /** Somebody looks at it: its screen is kept near the present. */
  isWatched(): boolean;
  /** Something is being cut at this offset: the ring has to keep what follows. Null when it is done. */
  onBarrier(offset: number | null): void;
  /** What a full-screen program drew was lost in a gap: it has to draw itself anew. */
  onStale(): void;
}

/** A screen is brought up to date while no more than `QUIET_BYTES` come in `QUIET_MS` milliseconds. */
const QUIET_MS = 100;
const QUIET_BYTES = 100 * 1024;
/** A screen on which nothing happened for this long is put away, milliseconds: it has up to 3 MB. */
const REST_MS = 60_000;
/** The same where nobody looks: shells that come and go must not leave a screen each. */
const UNWATCHED_REST_MS = 2_000;

export class Screening<Reader extends { show(snapshot: Snapshot): void }> {
  readonly #ring: ByteRing;
  readonly #scrollback: number;
  readonly #events: ScreeningEvents;
  readonly #waiting = new Set<Reader>();
  #screen: Screen;
  #ready = false;
  #cutting = false;
  #hadGap = false;
  #received = 0;
  #timer: Timer | null = null;
  #stopped = false;
  #usedAt = performance.now();

  constructor(ring: ByteRing, size: TerminalSize, scrollback: number, events: ScreeningEvents) {
    this.#ring = ring;
    this.#scrollback = scrollback;
    this.#events = events;
    this.#screen = new Screen(ring, size, scrollback);
  }

  /** The ring starts over, and is not yet what a snapshot could be made of. */
  restart(size: TerminalSize): void {
    this.#screen.dispose();
    this.#screen = new Screen(this.#ring, size, this.#scrollback);
    this.#ready = false;
    this.#hadGap = false;
  }

  /** The ring has all there was. */
  ready(): void {
    this.#ready = true;
    void this.#cut();
  }

  /** The reader gets the screen as it is now, as soon as it is known. */
  request(reader: Reader): void {
    this.#waiting.add(reader);
    this.#usedAt = performance.now();
    void this.#cut();
  }

  cancel(reader: Reader): void {
    this.#waiting.delete(reader);
  }

  /** To be called before so many bytes are put into the ring. */
  expect(bytes: number): void {
    this.#screen.leave(this.#ring.end + bytes - this.#ring.capacity);
    this.#received += bytes;
    if (this.#events.isWatched()) this.#usedAt = performance.now();
    this.#whenQuiet();
  }

  /** To be called before the ring starts over behind a gap. */
  jump(to: number): void {
    this.#screen.jump(to);
    this.#hadGap = true;
  }

  /** To be called before the ring becomes smaller. */
  shrink(capacity: number): void {
    this.#screen.leave(this.#ring.end - capacity);
  }

  resize(size: TerminalSize): void {
    this.#screen.resize(size);
  }

  /** To be called now and then. */
  tick(now: number): void {
    if (now - this.#usedAt > (this.#events.isWatched() ? REST_MS : UNWATCHED_REST_MS)) this.#screen.rest();
  }

  /** Nothing more will come, and nobody looks. */
  rest(): void {
    this.#screen.rest();
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting.clear();
    if (this.#timer) clearTimeout(this.#timer);
    this.#screen.dispose();
  }

  // --- internal ---

  /** What is behind is parsed first; meanwhile the agent sends no more than the ring holds beside it. */
  async #cut(): Promise<void> {
    if (this.#cutting) return;
    this.#cutting = true;
    while (this.#waiting.size > 0 && this.#ready && !this.#stopped) {
      const screen = this.#screen;
      const target = this.#ring.end;
      this.#events.onBarrier(target);
      await screen.catchUp(target);
      const snapshot = screen === this.#screen ? screen.snapshot() : null;
      if (!snapshot || snapshot.offset < this.#ring.start) continue;
      const waiting = [...this.#waiting];
      this.#waiting.clear();
      for (const reader of waiting) reader.show(snapshot);
      if (this.#hadGap && screen.isAlternate) this.#events.onStale();
      this.#hadGap = false;
    }
    this.#cutting = false;
    this.#events.onBarrier(null);
  }

  /** Keeps the screen near the present while little comes in: then a snapshot is soon made, and misses nothing. */
  #whenQuiet(): void {
    if (this.#timer || this.#stopped || !this.#events.isWatched()) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const quiet = this.#received <= QUIET_BYTES;
      this.#received = 0;
      if (!this.#events.isWatched()) return;
      if (quiet) void this.#screen.catchUp(this.#ring.end);
      else this.#whenQuiet();
    }, QUIET_MS);
  }
}
