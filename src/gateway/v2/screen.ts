/**
 * A session's screen as a terminal would show it now: a headless xterm, which is given the output lazily, since it
 * parses only some 8 MB a second. `docs/protocol-v2.md` ("The screen") says what is left out when.
 */
import { SerializeAddon } from "@xterm/addon-serialize";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { Terminal } from "@xterm/headless";
import type { ByteRing } from "../../lib/byte-ring.ts";
import { SkippedModes } from "./modes.ts";
import { TerminalState } from "./terminal-state.ts";

export interface TerminalSize {
  cols: number;
  rows: number;
}

/** A terminal serialized, as it is at `offset`. */
export interface Snapshot extends TerminalSize {
  offset: number;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Of what is further behind only the modes are taken. About 65 ms of parsing. */
const PARSED_BYTES = 512 * 1024;
/** Parsed in one go, about 4 ms: then whoever else waits has a turn. */
const SLICE_BYTES = 32 * 1024;
/** Looked through for modes in one go. */
const SKIPPED_BYTES = 64 * 1024;
/** Looked through for a place where no sequence and no character is cut in two. */
const ALIGN_BYTES = 4 * 1024;
/** A terminal has 12 bytes a cell, of lines that were written and of all its rows: larger ones are drawn this large. */
const MOST_COLS = 1_000;
const MOST_ROWS = 500;
const ESCAPE = 0x1b;
const LINE_FEED = 0x0a;
/** CAN ends a sequence that was cut in two. */
const CANCEL = Uint8Array.of(0x18);

export class Screen {
  readonly #ring: ByteRing;
  readonly #scrollback: number;
  readonly #skipped = new SkippedModes();
  /** Something before `#position` was left out since the terminal was last fed. */
  #hasSkipped = false;
  /** Sizes that hold from an offset on. */
  #sizes: { from: number; size: TerminalSize }[] = [];
  #size: TerminalSize;
  #position: number;
  #terminal: Terminal | null = null;
  #state: TerminalState | null = null;
  #serializer: SerializeAddon | null = null;
  /** What the terminal showed when it was put to rest. */
  #resting: Uint8Array | null = null;
  #waiting = 0;
  /** One at a time. */
  #feeding: Promise<void> = Promise.resolve();
  #disposed = false;

  /** Output goes on at the ring's start. @param scrollback lines */
  constructor(ring: ByteRing, size: TerminalSize, scrollback: number) {
    this.#ring = ring;
    this.#size = drawn(size);
    this.#scrollback = scrollback;
    this.#position = ring.start;
  }

  /** All before this offset has been parsed or left out. */
  get position(): number {
    return this.#position;
  }

  /** The size from the ring's end on. */
  resize(size: TerminalSize): void {
    this.#sizes.push({ from: this.#ring.end, size: drawn(size) });
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

  /** Parses on up to `target`, or leaves out what it must; resolves when the terminal shows it. */
  catchUp(target: number): Promise<void> {
    this.#waiting += 1;
    this.#feeding = this.#feeding
      .then(() => this.#feed(target))
      .finally(() => {
        this.#waiting -= 1;
      });
    return this.#feeding;
  }

  /** The terminal as it is at `position`; null where that moved on unparsed. To be called at once after `catchUp`. */
  snapshot(): Snapshot | null {
    if (!this.#terminal || !this.#serializer || !this.#state || this.#hasSkipped) return null;
    const text = this.#serializer.serialize({ scrollback: this.#scrollback }) + this.#state.serialize();
    const { cols, rows } = this.#terminal;
    return { offset: this.#position, bytes: new TextEncoder().encode(text), cols, rows };
  }

  /** Keeps what the terminal shows as text, some 20 times smaller, until it is needed again. */
  rest(): void {
    if (this.#waiting > 0) return;
    const snapshot = this.snapshot();
    if (!snapshot) return;
    this.#resting = snapshot.bytes;
    this.#terminal?.dispose();
    this.#terminal = null;
  }

  /** A full-screen program has the terminal. */
  get isAlternate(): boolean {
    return this.#terminal?.buffer.active.type === "alternate";
  }

  dispose(): void {
    this.#disposed = true;
    this.#terminal?.dispose();
    this.#terminal = null;
  }

  // --- internal ---

  async #feed(target: number): Promise<void> {
    const terminal = await this.#open();
    while (!this.#disposed) {
      this.#applySizes(terminal);
      const end = Math.min(target, this.#ring.end);
      this.leave(end - PARSED_BYTES);
      if (this.#hasSkipped) {
        await this.#resumeParsing(terminal, end);
        continue;
      }
      if (this.#position >= end) return;
      const until = Math.min(end, this.#sizes[0]?.from ?? end);
      const slice = this.#ring.read(this.#position, Math.min(SLICE_BYTES, until - this.#position));
      this.#position += slice.length;
      await written(terminal, slice);
    }
  }

  async #open(): Promise<Terminal> {
    if (this.#terminal) return this.#terminal;
    const terminal = new Terminal({
      ...this.#size,
      scrollback: this.#scrollback,
      allowProposedApi: true, // the buffer is behind it
      logLevel: "off",
    });
    this.#terminal = terminal;
    // By xterm's own tables, of 2010, an emoji is as narrow as a letter: nobody's terminal draws it so.
    terminal.loadAddon(new Unicode11Addon());
    terminal.unicode.activeVersion = "11";
    this.#serializer = new SerializeAddon();
    terminal.loadAddon(this.#serializer);
    this.#state = new TerminalState(terminal);
    const before = this.#resting;
    this.#resting = null;
    if (before) await written(terminal, before);
    return terminal;
  }

  /** From the next place where a sequence or a line begins, in the modes of what was left out. */
  async #resumeParsing(terminal: Terminal, end: number): Promise<void> {
    const ahead = this.#ring.read(this.#position, Math.max(0, Math.min(ALIGN_BYTES, end - this.#position)));
    const found = ahead.findIndex((byte) => byte === ESCAPE || byte === LINE_FEED);
    this.#skip(ahead.subarray(0, Math.max(0, found)));
    this.#hasSkipped = false;
    await written(terminal, Buffer.concat([CANCEL, this.#skipped.flush()]));
  }

  #skip(bytes: Uint8Array): void {
    this.#position += bytes.length;
    this.#hasSkipped = true;
    this.#skipped.take(bytes);
  }

  #applySizes(terminal: Terminal): void {
    for (let next = this.#sizes[0]; next && next.from <= this.#position; next = this.#sizes[0]) {
      this.#sizes.shift();
      this.#size = next.size;
      terminal.resize(next.size.cols, next.size.rows);
    }
  }
}

// --- internal ---

function drawn({ cols, rows }: TerminalSize): TerminalSize {
  return { cols: Math.min(Math.max(cols, 1), MOST_COLS), rows: Math.min(Math.max(rows, 1), MOST_ROWS) };
}

/** Resolves when it was parsed; xterm keeps the bytes until then. */
function written(terminal: Terminal, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => terminal.write(bytes, resolve));
}
