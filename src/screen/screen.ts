/** The screen of a session, drawn by a headless terminal in a thread of the pool. */

import type { ByteRing } from "../stream/byte-ring.ts";
import { drawn } from "./drawn-size.ts";
import type { TerminalSize } from "./engine.ts";
import { SkippedModes } from "./modes.ts";
import { MAX_OPEN_BYTES } from "./output-filter.ts";
import type { Place, ScreenPool } from "./pool.ts";
import { SizeHistory } from "./size-history.ts";
import type { ScreenTask } from "./task.ts";
import { ScreenLost } from "./thread.ts";

/** A serialized terminal: its state at `offset` of the output. */
export interface Snapshot extends TerminalSize {
  offset: number;
  bytes: Uint8Array<ArrayBuffer>;
  /** The first so many bytes draw; the rest sets state. */
  drawn?: number | undefined;
}

/** Bytes before the offset of the cut that a viewer may need again. */
export const SNAPSHOT_TAIL_BYTES = MAX_OPEN_BYTES;

/** Output further behind than this is skipped, except for its modes. About 50 ms of parsing. */
const PARSED_BYTES = 512 * 1024;
/** Bytes of one task: adapted to take between `SLICE_MS`. */
const SLICE_BYTES = { least: 512, first: 4 * 1024, most: 64 * 1024 };
const SLICE_MS = { short: 5, long: 25 };
/** Bound of catching up once, milliseconds of parsing; ordinary output takes a hundredth. */
const CATCH_UP_MS = 5_000;
/** Bytes searched for modes at a time. */
const SKIPPED_BYTES = 64 * 1024;
/** Bytes searched for a place that cuts no sequence and no character. */
const ALIGN_BYTES = 4 * 1024;
/** Bound of a kept snapshot, characters. */
const KEPT_CHARACTERS = 1024 * 1024;
/** Other sessions may cost this one its thread so often while it catches up. */
const MOST_LOSSES = 5;
/** The terminal may throw so often before the session has no screen. */
const MOST_FAULTS = 8;
/** At least so many bytes lie between two kept snapshots, from which another terminal can go on. */
const KEPT_EVERY_BYTES = 512 * 1024;
const ESCAPE = 0x1b;
const LINE_FEED = 0x0a;

/**
 * A headless terminal that parses the output of a ring lazily. Owned by `Screening`. A failure costs this session its screen,
 * and no other; `docs/protocol-v2.md` ("The screen") says which output is left out.
 */
export class Screen {
  readonly #ring: ByteRing;
  readonly #scrollback: number;
  readonly #pool: ScreenPool;
  readonly #place: Place;
  readonly #skipped = new SkippedModes();
  /** Output before `#position` was skipped since the terminal last parsed. */
  #hasSkipped = false;
  readonly #sizes: SizeHistory;
  /** The terminal's current size. */
  #terminalSize: TerminalSize;
  #position: number;
  /** Bytes before `#position` of a sequence that is incomplete. */
  #openBytes = 0;
  #isOpen = false;
  #isAlternate = false;
  #sliceBytes = SLICE_BYTES.first;
  /** The latest snapshot, from which the terminal is rebuilt. */
  #kept: Snapshot | null = null;
  /** The offset of the last try to keep one. */
  #keptAt = 0;
  #waiting = 0;
  /** The queue of operations, one at a time. Never rejects. */
  #last: Promise<unknown> = Promise.resolve();
  /** How often the terminal has thrown. */
  #faults = 0;
  #disposed = false;
  #failed = false;

  /** Begins at the ring's start. @param scrollback lines */
  constructor(ring: ByteRing, size: TerminalSize, scrollback: number, pool: ScreenPool) {
    this.#ring = ring;
    this.#terminalSize = drawn(size);
    this.#sizes = new SizeHistory(this.#terminalSize);
    this.#scrollback = scrollback;
    this.#position = ring.start;
    this.#pool = pool;
    this.#place = pool.place({ onPressure: () => void this.rest(), onForget: () => this.#forget() });
  }

  /** All output before this offset was parsed or skipped. */
  get position(): number {
    return this.#position;
  }

  /** True while the alternate screen is on. */
  get isAlternate(): boolean {
    return this.#isAlternate;
  }

  /** The output could not be drawn within the limits: there is no screen, for good. */
  get hasFailed(): boolean {
    return this.#failed;
  }

  /** The session has no output yet: its screen needs no terminal. */
  get isBlank(): boolean {
    return this.#ring.end === 0 && !this.#isOpen && !this.#failed;
  }

  /** The size at the ring's end. */
  get size(): TerminalSize {
    return this.#sizes.latest;
  }

  /** Sets the size from the ring's end on. */
  resize(size: TerminalSize): void {
    this.#sizes.add(this.#ring.end, drawn(size));
  }

  /** Call it before the ring drops output before `offset`: skips that output, except for its modes. */
  leave(offset: number): void {
    while (this.#position < Math.min(offset, this.#ring.end)) {
      this.#skip(this.#ring.view(this.#position, Math.min(offset - this.#position, SKIPPED_BYTES)));
    }
  }

  /** The output up to `offset` is lost. */
  jump(offset: number): void {
    this.leave(this.#ring.end);
    this.#position = offset;
    this.#hasSkipped = true;
  }

  /** Parses up to `target`, and skips output too far behind. Resolves when the terminal is there, or has failed. */
  catchUp(target: number): Promise<void> {
    return this.#inTurn(() => this.#feed(target));
  }

  /**
   * The terminal at `position`; null where output was skipped since, or there is no terminal.
   * @param limit approximate, characters: older lines are left out first, then colours
   */
  snapshot(limit = Infinity): Promise<Snapshot | null> {
    return this.#inTurn(() => this.#take(limit));
  }

  /**
   * The screen alone, without lines above it, where exactly the output up to `target` was parsed; null where it is further
   * on, or that output is gone. `offset` is before `target` where a sequence is incomplete there.
   */
  keyframe(target: number): Promise<Snapshot | null> {
    return this.#inTurn(async () => {
      if (this.#position > target) return null;
      await this.#feed(target);
      return this.#position === target ? this.#take(KEPT_CHARACTERS, 0) : null;
    });
  }

  /** The modes of skipped output, for a viewer without a screen. */
  modes(): Uint8Array {
    return this.#skipped.peek();
  }

  /** Replaces the terminal by a snapshot, some 20 times smaller, until it is needed again. */
  async rest(): Promise<void> {
    if (this.#waiting > 0 || !this.#isOpen) return;
    await this.#inTurn(async () => {
      if (!(await this.#keep())) return;
      this.#close();
      if (!this.#hasSkipped) this.#position = this.#kept?.offset ?? this.#position;
      this.#openBytes = 0;
    });
  }

  dispose(): void {
    this.#disposed = true;
    this.#setKept(null);
    this.#close();
  }

  // --- internal ---

  async #inTurn<T>(what: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const turn = this.#last.then(what);
    this.#last = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      this.#waiting -= 1;
    }
  }

  async #feed(target: number): Promise<void> {
    let spentMs = 0;
    if (this.#isOpen && this.#pool.hasLost(this.#place)) this.#startOver();
    for (let losses = 0; !this.#disposed && !this.#failed; ) {
      const end = Math.min(target, this.#ring.end);
      this.leave(end - PARSED_BYTES);
      const task = this.#nextTask(end);
      if (!task) return;
      const ms = await this.#run(task);
      if (ms === null) losses += 1;
      spentMs += ms ?? 0;
      if (losses <= MOST_LOSSES && spentMs <= CATCH_UP_MS) continue;
      this.#fail();
      this.#pool.warn("a session has no screen any more: its output takes too long to draw");
    }
  }

  /** The next task on the way to `end`; null where the terminal is there. */
  #nextTask(end: number): Omit<ScreenTask, "screen"> | null {
    if (!this.#isOpen) return this.#opening();
    const task: Omit<ScreenTask, "screen"> = {};
    const size = this.#sizes.advance(this.#position);
    if (size !== this.#terminalSize) task.resize = this.#terminalSize = size;
    let modes: Uint8Array | null = null;
    if (this.#hasSkipped) {
      task.lost = true;
      modes = this.#realign(end);
    }
    const until = Math.min(end, this.#sizes.nextFrom ?? end, this.#position + this.#sliceBytes);
    const bytes = this.#ring.read(this.#position, Math.max(0, until - this.#position));
    this.#position += bytes.length;
    if (modes || bytes.length > 0) task.bytes = modes ? joined(modes, bytes) : bytes;
    return task.resize || task.bytes ? task : null;
  }

  /** Opens a new terminal from the kept snapshot. */
  #opening(): Omit<ScreenTask, "screen"> {
    const kept = this.#kept;
    this.#terminalSize = kept ? { cols: kept.cols, rows: kept.rows } : this.#sizes.current;
    const open = { size: this.#terminalSize, scrollback: this.#scrollback };
    // A copy: buffers are transferred to the thread.
    return kept ? { open, bytes: new Uint8Array(kept.bytes) } : { open };
  }

  /** @returns its duration, milliseconds; null where the terminal is gone */
  async #run(task: Omit<ScreenTask, "screen">): Promise<number | null> {
    this.#isOpen = true;
    const answer = await this.#ask(task);
    if (!answer) return null;
    this.#openBytes = answer.openBytes;
    this.#isAlternate = answer.isAlternate;
    if (answer.ms > SLICE_MS.long) this.#sliceBytes = Math.max(SLICE_BYTES.least, this.#sliceBytes >> 1);
    else if (answer.ms < SLICE_MS.short) this.#sliceBytes = Math.min(SLICE_BYTES.most, this.#sliceBytes << 1);
    if (this.#position - this.#keptAt > Math.max(this.#ring.capacity / 2, KEPT_EVERY_BYTES))
      await this.#keep();
    return answer.ms;
  }

  async #ask(task: Omit<ScreenTask, "screen">) {
    try {
      const answer = await this.#pool.run(this.#place, task);
      if (answer) return answer;
      // The terminal has thrown: its state is not to be trusted, and the output that made it throw is skipped.
      this.#setKept(null);
      this.#faults += 1;
      if (this.#faults > MOST_FAULTS) this.#fail();
      this.#close();
      this.#hasSkipped = true;
    } catch (error) {
      if (!(error instanceof ScreenLost)) throw error;
      if (error.isCause) this.#fail();
      this.#startOver();
    }
    return null;
  }

  /** The terminal is gone: starts over from the kept snapshot, or from the oldest byte of the ring. */
  #startOver(): void {
    this.#close();
    const from = this.#kept?.offset ?? -1;
    this.#hasSkipped ||= from < this.#ring.start;
    this.#position = this.#failed ? this.#position : Math.max(from, this.#ring.start);
    this.#openBytes = 0;
  }

  async #take(limit: number, scrollback = this.#scrollback): Promise<Snapshot | null> {
    if (!this.#isOpen || this.#hasSkipped || this.#failed || this.#disposed) return null;
    const offset = this.#position - this.#openBytes;
    const answer = await this.#ask({ snapshot: { scrollback, limit } });
    return answer?.snapshot ? { ...answer.snapshot, offset } : null;
  }

  /** Keeps a snapshot. @returns whether it could */
  async #keep(): Promise<boolean> {
    this.#keptAt = this.#position;
    const snapshot = await this.#take(KEPT_CHARACTERS);
    if (!snapshot || this.#disposed) return false;
    this.#setKept(snapshot);
    return true;
  }

  #setKept(snapshot: Snapshot | null): void {
    this.#kept = snapshot;
    this.#pool.keeps(this.#place, snapshot?.bytes.length ?? 0);
  }

  /** Memory is short: drops the kept snapshot. A screen at rest starts over from the oldest byte of the ring. */
  #forget(): void {
    this.#setKept(null);
    if (!this.#isOpen && !this.#failed) this.#startOver();
  }

  #fail(): void {
    this.#failed = true;
    this.#setKept(null);
    this.#close();
  }

  #close(): void {
    if (this.#isOpen) this.#pool.leave(this.#place);
    this.#isOpen = false;
  }

  /** Skips to the next sequence or line. @returns the sequences that set the modes of the skipped output */
  #realign(end: number): Uint8Array {
    const ahead = this.#ring.read(this.#position, Math.max(0, Math.min(ALIGN_BYTES, end - this.#position)));
    const found = ahead.findIndex((byte) => byte === ESCAPE || byte === LINE_FEED);
    this.#skip(ahead.subarray(0, Math.max(0, found)));
    this.#hasSkipped = false;
    this.#openBytes = 0;
    return this.#skipped.flush();
  }

  #skip(bytes: Uint8Array): void {
    this.#position += bytes.length;
    this.#hasSkipped = true;
    this.#skipped.take(bytes);
  }
}

// --- internal ---

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
