/**
 * A session's screen as a terminal would show it now: a headless terminal in a thread of the pool, which is given the
 * output lazily. `docs/protocol-v2.md` ("The screen") says what is left out when. Owned by `Screening`; what fails here
 * costs this session its screen, and no other.
 */

import type { ByteRing } from "../stream/byte-ring.ts";
import type { TerminalSize } from "./engine.ts";
import { SkippedModes } from "./modes.ts";
import { MAX_OPEN_BYTES } from "./output-filter.ts";
import type { Place, ScreenPool } from "./pool.ts";
import type { ScreenTask } from "./task.ts";
import { ScreenLost } from "./thread.ts";

/** A terminal serialized, as it is at `offset`. */
export interface Snapshot extends TerminalSize {
  offset: number;
  bytes: Uint8Array<ArrayBuffer>;
  /** Of them, those that draw, where state is set behind them. */
  drawn?: number | undefined;
}

/** Bytes before what a snapshot is cut at that a viewer may need again. */
export const SNAPSHOT_TAIL_BYTES = MAX_OPEN_BYTES;

/** Of what is further behind only the modes are taken. About 50 ms of parsing. */
const PARSED_BYTES = 512 * 1024;
/** Parsed in one task, which is to take some milliseconds: less of it where it takes longer. */
const SLICE_BYTES = { least: 512, first: 4 * 1024, most: 64 * 1024 };
const SLICE_MS = { short: 5, long: 25 };
/** What parsing may take to catch up once; ordinary output takes a hundredth. */
const CATCH_UP_MS = 5_000;
/** Looked through for modes in one go. */
const SKIPPED_BYTES = 64 * 1024;
/** Looked through for a place where no sequence and no character is cut in two. */
const ALIGN_BYTES = 4 * 1024;
/** A terminal has 12 bytes a cell, of lines that were written and of all its rows: larger ones are drawn this large. */
const MOST_COLS = 1_000;
const MOST_ROWS = 500;
/** Characters of a snapshot that is kept. */
const KEPT_CHARACTERS = 1024 * 1024;
/** A thread may be lost by another session's doing this often while this one catches up. */
const MOST_LOSSES = 5;
const MOST_FAULTS = 8;
/** What the terminal shows is kept this often at most, so that another one can go on from there. */
const KEPT_EVERY_BYTES = 512 * 1024;
const ESCAPE = 0x1b;
const LINE_FEED = 0x0a;

export class Screen {
  readonly #ring: ByteRing;
  readonly #scrollback: number;
  readonly #pool: ScreenPool;
  readonly #place: Place;
  readonly #skipped = new SkippedModes();
  /** Something before `#position` was left out since the terminal was last fed. */
  #hasSkipped = false;
  /** Sizes that hold from an offset on. */
  #sizes: { from: number; size: TerminalSize }[] = [];
  #size: TerminalSize;
  /** What the terminal has now. */
  #terminalSize: TerminalSize;
  #position: number;
  /** Bytes before `#position` that the terminal was given and waits to see the end of. */
  #openBytes = 0;
  #isOpen = false;
  #isAlternate = false;
  #sliceBytes = SLICE_BYTES.first;
  /** What the terminal showed last: it is made anew from there. */
  #kept: Snapshot | null = null;
  /** Where it was to be kept last. */
  #keptAt = 0;
  #waiting = 0;
  /** One at a time; never rejects. */
  #last: Promise<unknown> = Promise.resolve();
  /** How often the terminal has thrown. */
  #faults = 0;
  #disposed = false;
  #failed = false;

  /** Output goes on at the ring's start. @param scrollback lines */
  constructor(ring: ByteRing, size: TerminalSize, scrollback: number, pool: ScreenPool) {
    this.#ring = ring;
    this.#size = this.#terminalSize = drawn(size);
    this.#scrollback = scrollback;
    this.#position = ring.start;
    this.#pool = pool;
    this.#place = pool.place({ onPressure: () => void this.rest(), onForget: () => this.#forget() });
  }

  /** All before this offset has been parsed or left out. */
  get position(): number {
    return this.#position;
  }

  /** A full-screen program has the terminal. */
  get isAlternate(): boolean {
    return this.#isAlternate;
  }

  /** Its output could not be drawn within the limits: there is no screen, and will be none. */
  get hasFailed(): boolean {
    return this.#failed;
  }

  /** Nothing was ever printed: it needs no terminal to tell how that looks. */
  get isBlank(): boolean {
    return this.#ring.end === 0 && !this.#isOpen && !this.#failed;
  }

  /** The size that output at the ring's end is for. */
  get size(): TerminalSize {
    return this.#sizes.at(-1)?.size ?? this.#size;
  }

  /** The size from the ring's end on. */
  resize(size: TerminalSize): void {
    const from = this.#ring.end;
    if (this.#sizes.at(-1)?.from === from) this.#sizes.pop();
    this.#sizes.push({ from, size: drawn(size) });
    if (this.#sizes.length > 64) this.#sizes.shift();
  }

  /** To be called before the ring forgets or loses what comes before `offset`: takes the modes of it at least. */
  leave(offset: number): void {
    while (this.#position < Math.min(offset, this.#ring.end)) {
      this.#skip(this.#ring.view(this.#position, Math.min(offset - this.#position, SKIPPED_BYTES)));
    }
  }

  /** Bytes up to `offset` will not come. */
  jump(offset: number): void {
    this.leave(this.#ring.end);
    this.#position = offset;
    this.#hasSkipped = true;
  }

  /** Parses on up to `target`, or leaves out what it must; resolves when the terminal shows it, or failed to. */
  catchUp(target: number): Promise<void> {
    return this.#inTurn(() => this.#feed(target));
  }

  /**
   * The terminal as it is at `position`; null where that moved on unparsed, or there is none.
   * @param limit about as many characters: older lines, then colours, are left out
   */
  snapshot(limit = Infinity): Promise<Snapshot | null> {
    return this.#inTurn(() => this.#take(limit));
  }

  /** What a viewer needs to know of output that was not drawn: its modes. */
  modes(): Uint8Array {
    return this.#skipped.peek();
  }

  /** Keeps what the terminal shows as text, some 20 times smaller, until it is needed again. */
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
    if (this.#isOpen && this.#pool.hasLost(this.#place)) this.#beginAnew();
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

  /** What is to be done next on the way to `end`; null where the terminal is there. */
  #nextTask(end: number): Omit<ScreenTask, "screen"> | null {
    if (!this.#isOpen) return this.#opening();
    const task: Omit<ScreenTask, "screen"> = {};
    this.#advanceSize();
    if (this.#size !== this.#terminalSize) task.resize = this.#terminalSize = this.#size;
    let modes: Uint8Array | null = null;
    if (this.#hasSkipped) {
      task.lost = true;
      modes = this.#realign(end);
    }
    const until = Math.min(end, this.#sizes[0]?.from ?? end, this.#position + this.#sliceBytes);
    const bytes = this.#ring.read(this.#position, Math.max(0, until - this.#position));
    this.#position += bytes.length;
    if (modes || bytes.length > 0) task.bytes = modes ? joined(modes, bytes) : bytes;
    return task.resize || task.bytes ? task : null;
  }

  /** A new terminal, as the one before it was. */
  #opening(): Omit<ScreenTask, "screen"> {
    const kept = this.#kept;
    this.#terminalSize = kept ? { cols: kept.cols, rows: kept.rows } : this.#size;
    const open = { size: this.#terminalSize, scrollback: this.#scrollback };
    // A copy: what a thread is given is lost here.
    return kept ? { open, bytes: new Uint8Array(kept.bytes) } : { open };
  }

  /** @returns how long it took, milliseconds; null where the terminal is gone */
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
      // The terminal has thrown: what it showed is not to be trusted, and what made it throw is left out.
      this.#setKept(null);
      this.#faults += 1;
      if (this.#faults > MOST_FAULTS) this.#fail();
      this.#close();
      this.#hasSkipped = true;
    } catch (error) {
      if (!(error instanceof ScreenLost)) throw error;
      if (error.isCause) this.#fail();
      this.#beginAnew();
    }
    return null;
  }

  /** The terminal is gone: another one goes on from what was kept, or from the oldest byte that is there. */
  #beginAnew(): void {
    this.#close();
    const from = this.#kept?.offset ?? -1;
    this.#hasSkipped ||= from < this.#ring.start;
    this.#position = this.#failed ? this.#position : Math.max(from, this.#ring.start);
    this.#openBytes = 0;
  }

  async #take(limit: number): Promise<Snapshot | null> {
    if (!this.#isOpen || this.#hasSkipped || this.#failed || this.#disposed) return null;
    const offset = this.#position - this.#openBytes;
    const answer = await this.#ask({ snapshot: { scrollback: this.#scrollback, limit } });
    return answer?.snapshot ? { ...answer.snapshot, offset } : null;
  }

  /** @returns whether it could be */
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

  /** Memory is short. A screen at rest is made anew from the oldest byte that is there. */
  #forget(): void {
    this.#setKept(null);
    if (!this.#isOpen && !this.#failed) this.#beginAnew();
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

  /** From the next place where a sequence or a line begins. @returns what brings about the modes of what was left out */
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

  /** Of sizes that hold from the same place on only the last one is drawn. */
  #advanceSize(): void {
    for (let next = this.#sizes[0]; next && next.from <= this.#position; next = this.#sizes[0]) {
      this.#sizes.shift();
      this.#size = next.size;
    }
  }
}

// --- internal ---

function drawn({ cols, rows }: TerminalSize): TerminalSize {
  return { cols: Math.min(Math.max(cols, 1), MOST_COLS), rows: Math.min(Math.max(rows, 1), MOST_ROWS) };
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
