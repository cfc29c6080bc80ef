/** The user's own terminal, in raw mode for as long as it shows a remote one, and as it was afterwards. */
import type { WriteStream } from "node:tty";
import { ScreenModes } from "./screen-modes.ts";

/** Size in character cells, each at least 1. */
export interface TerminalSize {
  cols: number;
  rows: number;
}

/** A terminal in raw mode: `src/pty/raw-mode.ts` makes it. */
export interface RawMode {
  again(): void;
  restore(): void;
}

/** The local end of `attach`. */
export interface Terminal {
  /** Input is typed: Ctrl+] leaves. Otherwise input ends at the end of a file or pipe. */
  readonly interactive: boolean;
  /** Output goes to a terminal. */
  readonly shown: boolean;
  /** The alternate screen is on. */
  readonly fullScreen: boolean;
  /** Null where no terminal shows the output. */
  size(): TerminalSize | null;
  /** Calls back after each burst of size changes; returns what stops it. */
  onResize(listener: () => void): () => void;
  /** The next input, or null at its end. One call at a time. */
  read(): Promise<Uint8Array | null>;
  /** Resolves once the terminal has taken it. */
  write(bytes: Uint8Array): Promise<void>;
  /** What switches off everything that output so far has switched on. */
  undo(): string;
}

/** A window that is dragged changes its size dozens of times a second. */
const RESIZE_SETTLES_MS = 40;

/** The terminal of this process, or the files and pipes in its place. The command owns it and restores it at the end. */
export class LocalTerminal implements Terminal {
  readonly interactive: boolean;
  readonly shown: boolean;
  readonly #screen: WriteStream | null;
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #undo: ((text: string) => void) | null;
  readonly #input: AsyncIterator<Uint8Array>;
  readonly #modes = new ScreenModes();
  readonly #enterRaw: () => RawMode;
  #raw: RawMode | null = null;
  #wasShown = false;

  constructor(streams: {
    /** Stdin is a terminal. */
    interactive: boolean;
    /** Stdout is a terminal. */
    shown: boolean;
    /** The bytes of stdin, read only as they are asked for. */
    input: AsyncIterable<Uint8Array>;
    /** Where the size may be asked, best first; those that are no terminal are passed over. */
    screens: readonly WriteStream[];
    write: (bytes: Uint8Array) => Promise<void>;
    /** Switches stdin to raw mode. */
    enterRaw: () => RawMode;
    /** Writes to the screen at once, for the very end; null where output does not go to a screen. */
    undo: ((text: string) => void) | null;
  }) {
    this.interactive = streams.interactive;
    this.shown = streams.shown;
    this.#screen = streams.screens.find((stream) => stream.isTTY === true) ?? null;
    this.#write = streams.write;
    this.#input = streams.input[Symbol.asyncIterator]();
    this.#enterRaw = streams.enterRaw;
    this.#undo = streams.undo;
  }

  /** Raw mode, where input is a terminal. */
  enterRaw(): void {
    if (this.interactive) this.#raw ??= this.#enterRaw();
  }

  /** Raw mode again, where it was: the process was stopped and continued, and its shell has set its own modes. */
  resume(): void {
    this.#raw?.again();
  }

  /**
   * Everything as it was: line mode, and whatever a remote program had switched on. Synchronous and idempotent, so
   * that it can be the last thing that a dying process does.
   */
  restore(): void {
    const text = this.undo();
    this.#modes.reset();
    try {
      if (text) this.#undo?.(text);
    } catch {
      // The terminal is gone.
    }
    this.#raw?.restore();
    this.#raw = null;
  }

  /** Something of the remote program was written to it. */
  get wasShown(): boolean {
    return this.shown && this.#wasShown;
  }

  get fullScreen(): boolean {
    return this.#modes.alternate;
  }

  size(): TerminalSize | null {
    const [cols, rows] = this.#screen?.getWindowSize() ?? [];
    // A serial line or a fresh PTY knows no size and says 0.
    return cols && rows ? { cols, rows } : null;
  }

  onResize(listener: () => void): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const settle = () => {
      clearTimeout(timer);
      timer = setTimeout(listener, RESIZE_SETTLES_MS);
    };
    this.#screen?.on("resize", settle);
    return () => {
      clearTimeout(timer);
      this.#screen?.off("resize", settle);
    };
  }

  async read(): Promise<Uint8Array | null> {
    const { value, done } = await this.#input.next();
    return done ? null : value;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#wasShown = true;
    this.#modes.push(bytes);
    return this.#write(bytes);
  }

  undo(): string {
    return this.#modes.ending(this.size()?.cols);
  }

  /**
   * What puts the cursor at the beginning of a line of its own, with nothing of the remote program's on it or below. For
   * after `restore`.
   */
  ownLine(): string {
    if (!this.shown) return "\n";
    return `${this.#modes.startsLine ? "\r" : "\r\n"}\x1b[J`;
  }

  /** Shows text of our own between two pieces of output, where it would not tear a sequence of bytes apart. */
  async notice(text: string): Promise<void> {
    if (this.#modes.atRest) await this.#write(Buffer.from(text));
  }
}
