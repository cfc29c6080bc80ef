/** Keeps a screen up to date, and shows snapshots of it to readers. */

import { messageOf } from "../lib/errors.ts";
import type { ByteRing } from "../stream/byte-ring.ts";
import type { TerminalSize } from "./engine.ts";
import type { ScreenPool } from "./pool.ts";
import { Screen, SNAPSHOT_TAIL_BYTES, type Snapshot } from "./screen.ts";
import type { SnapshotBudget } from "./snapshot-budget.ts";

/** What the owner of a screening, its mirror, does for it. */
export interface ScreeningEvents {
  /** True while it has viewers: its screen is then kept near the present. */
  isWatched(): boolean;
  /** A snapshot is being cut at this offset: the ring has to keep the output from there on. Null when it is done. */
  onBarrier(offset: number | null): void;
  /** A full-screen program drew into a gap: make it redraw. */
  onStale(): void;
}

/** The bounds of a screening, and the gateway's shared pools. */
export interface ScreeningOptions {
  /** Lines above the screen. */
  scrollback: number;
  screens: ScreenPool;
  snapshots: SnapshotBudget;
}

/** A screen with viewers catches up while no more than `QUIET_BYTES` come in `QUIET_MS` milliseconds. */
const QUIET_MS = 100;
const QUIET_BYTES = 100 * 1024;
/** A screen without output or requests for this long is put to rest, milliseconds: its terminal has up to 3 MB. */
const REST_MS = 60_000;
/** The same without viewers: short-lived shells must not leave a terminal each. */
const UNWATCHED_REST_MS = 2_000;
/** A snapshot serves all requests within this time, milliseconds, and this much further output. */
const SHARED_MS = 250;
const SHARED_BYTES = 64 * 1024;
/** Failed cuts in a row before viewers get no screen. */
const MOST_ATTEMPTS = 20;
const NO_SCREEN =
  "\x1b[0m\x1b[7m rexec: this session's screen could not be drawn; what it prints from now on follows \x1b[0m\r\n";

/**
 * The screen of one session and the readers that wait for a snapshot of it. Owned by its mirror; throws nothing. A screen
 * that fails is replaced by a notice.
 */
export class Screening<Reader extends { show(snapshot: Snapshot): void }> {
  readonly #ring: ByteRing;
  readonly #scrollback: number;
  readonly #pool: ScreenPool;
  readonly #snapshots: SnapshotBudget;
  readonly #events: ScreeningEvents;
  readonly #waiting = new Set<Reader>();
  #screen: Screen;
  #latest: { snapshot: Snapshot; at: number } | null = null;
  #ready = false;
  #cutting = false;
  #hadGap = false;
  #received = 0;
  #timer: Timer | null = null;
  #stopped = false;
  #usedAt = performance.now();

  constructor(
    ring: ByteRing,
    size: TerminalSize,
    { scrollback, screens, snapshots }: ScreeningOptions,
    events: ScreeningEvents,
  ) {
    this.#ring = ring;
    this.#scrollback = scrollback;
    this.#pool = screens;
    this.#snapshots = snapshots;
    this.#events = events;
    this.#screen = new Screen(ring, size, scrollback, screens);
  }

  /** The ring starts over: snapshots wait for `ready`. */
  restart(size: TerminalSize): void {
    // A screen that exceeded the limits would again.
    if (!this.#screen.hasFailed) {
      this.#screen.dispose();
      this.#screen = new Screen(this.#ring, size, this.#scrollback, this.#pool);
    } else this.#screen.jump(this.#ring.start);
    this.#latest = null;
    this.#ready = false;
    this.#hadGap = false;
  }

  /** The ring has its backfill: snapshots may be cut. */
  ready(): void {
    this.#ready = true;
    void this.#cut();
  }

  /** Shows the reader the current screen, as soon as a snapshot is cut. */
  request(reader: Reader): void {
    this.#waiting.add(reader);
    this.#usedAt = performance.now();
    void this.#cut();
  }

  /** The screen at exactly this offset of the output, for a recorder: nothing waits for it. Null where that cannot be. */
  async keyframe(target: number): Promise<Snapshot | null> {
    const screen = this.#screen;
    if (!this.#ready || this.#stopped || screen.hasFailed || target < this.#ring.start) return null;
    if (screen.isBlank) return { ...screen.size, offset: target, bytes: new Uint8Array(0) };
    const snapshot = await screen.keyframe(target).catch(() => null); // it has none
    return screen === this.#screen ? snapshot : null;
  }

  cancel(reader: Reader): void {
    this.#waiting.delete(reader);
  }

  /** Call it before so many bytes are put into the ring. */
  expect(bytes: number): void {
    this.#screen.leave(this.#ring.end + bytes - this.#ring.capacity);
    this.#received += bytes;
    if (this.#events.isWatched()) this.#usedAt = performance.now();
    this.#whenQuiet();
  }

  /** Call it before the ring starts over behind a gap. */
  jump(to: number): void {
    this.#screen.jump(to);
    this.#latest = null;
    this.#hadGap = true;
  }

  /** Call it before the ring shrinks. */
  shrink(capacity: number): void {
    this.#screen.leave(this.#ring.end - capacity);
  }

  resize(size: TerminalSize): void {
    this.#screen.resize(size);
    this.#latest = null;
  }

  /** Call it every tick. */
  tick(now: number): void {
    if (this.#latest && now - this.#latest.at > SHARED_MS) this.#latest = null;
    if (now - this.#usedAt > (this.#events.isWatched() ? REST_MS : UNWATCHED_REST_MS)) this.rest();
  }

  /** Puts the screen to rest: no output and no viewers are expected. */
  rest(): void {
    this.#screen.rest().catch(() => {}); // the terminal stays
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting.clear();
    this.#latest = null;
    if (this.#timer) clearTimeout(this.#timer);
    this.#screen.dispose();
  }

  // --- internal ---

  /** Catches up, then cuts; meanwhile the agent sends no more than the ring holds beside the barrier. */
  async #cut(): Promise<void> {
    if (this.#cutting) return;
    this.#cutting = true;
    try {
      for (let attempt = 1; this.#waiting.size > 0 && this.#ready && !this.#stopped; attempt += 1) {
        const snapshot = this.#shared() ?? (await this.#fresh(attempt));
        if (snapshot) this.#show(snapshot);
      }
    } finally {
      this.#cutting = false;
      this.#events.onBarrier(null);
    }
  }

  #shared(): Snapshot | null {
    const { snapshot, at = 0 } = this.#latest ?? {};
    if (!snapshot || performance.now() - at > SHARED_MS) return null;
    return this.#ring.end - snapshot.offset > SHARED_BYTES || snapshot.offset < this.#ring.start
      ? null
      : snapshot;
  }

  async #fresh(attempt: number): Promise<Snapshot | null> {
    const screen = this.#screen;
    const target = this.#ring.end;
    if (screen.isBlank) return { ...screen.size, offset: target, bytes: new Uint8Array(0) };
    if (screen.hasFailed || attempt > MOST_ATTEMPTS) return this.#bare(screen);
    this.#events.onBarrier(Math.max(this.#ring.start, target - SNAPSHOT_TAIL_BYTES));
    const snapshot = await this.#taken(screen, target);
    if (!snapshot || screen !== this.#screen || snapshot.offset < this.#ring.start) return null;
    this.#latest = { snapshot, at: performance.now() };
    return snapshot;
  }

  async #taken(screen: Screen, target: number): Promise<Snapshot | null> {
    try {
      await screen.catchUp(target);
      return await screen.snapshot(this.#snapshots.characters);
    } catch {
      return null; // counted as an attempt
    }
  }

  /** A notice in place of a screen, and the modes as far as they are known. */
  #bare(screen: Screen): Snapshot {
    screen.leave(this.#ring.end);
    this.#hadGap = true;
    const bytes = Uint8Array.from([...screen.modes(), ...Buffer.from(NO_SCREEN)]);
    return { ...screen.size, offset: this.#ring.end, bytes };
  }

  #show(snapshot: Snapshot): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const reader of waiting) {
      try {
        reader.show(snapshot);
      } catch (error) {
        this.#pool.warn(`a viewer could not be shown its screen: ${messageOf(error)}`);
      }
    }
    if (this.#hadGap && (this.#screen.isAlternate || this.#screen.hasFailed)) this.#events.onStale();
    this.#hadGap = false;
  }

  /** Keeps the screen near the present while output is quiet: then a snapshot is cut soon, and skips nothing. */
  #whenQuiet(): void {
    if (this.#timer || this.#stopped || !this.#events.isWatched()) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const quiet = this.#received <= QUIET_BYTES;
      this.#received = 0;
      if (!this.#events.isWatched()) return;
      if (quiet)
        this.#screen.catchUp(this.#ring.end).catch(() => {}); // the next timer tries again
      else this.#whenQuiet();
    }, QUIET_MS);
  }
}
