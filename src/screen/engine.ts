/** Headless terminals: output goes in, and a text comes out that gives a viewer's terminal the same state. */
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import { Terminal } from "@xterm/headless";
import { Beyond } from "./beyond.ts";
import { boundGraphemes } from "./graphemes.ts";
import { OutputFilter } from "./output-filter.ts";
import { lastPrinted, type SerializedScreen, type SerializeOptions, serialize } from "./serialize.ts";
import { type Core, coreOf } from "./xterm-core.ts";

/** Columns and rows. */
export interface TerminalSize {
  cols: number;
  rows: number;
}

/** Bytes of a cell, without colours of underlines and links. */
const CELL_BYTES = 12;

/** One headless terminal, owned by a worker. Drop it if a method throws: xterm.js has bugs. */
export class ScreenEngine {
  readonly #terminal: Terminal;
  readonly #core: Core;
  readonly #beyond: Beyond;
  readonly #filter = new OutputFilter();

  /** @param scrollback lines above the screen that are kept */
  constructor(size: TerminalSize, scrollback: number) {
    this.#terminal = makeTerminal(size, scrollback);
    this.#core = coreOf(this.#terminal);
    this.#beyond = new Beyond(this.#terminal, this.#core);
  }

  /** The terminal of xterm.js. */
  get terminal(): Terminal {
    return this.#terminal;
  }

  get core(): Core {
    return this.#core;
  }

  get beyond(): Beyond {
    return this.#beyond;
  }

  /** True while the alternate screen is on. */
  get isAlternate(): boolean {
    return this.#core.buffers.active === this.#core.buffers.alt;
  }

  /** Bytes at the end of the input without effect yet: the beginning of a sequence or a character. */
  get openBytes(): number {
    return this.#filter.openBytes;
  }

  /** Estimated memory, bytes. */
  get weight(): number {
    const { normal, alt } = this.#core.buffers;
    return (normal.lines.length + alt.lines.length) * this.#core.cols * CELL_BYTES;
  }

  resize({ cols, rows }: TerminalSize): void {
    this.#terminal.resize(cols, rows);
  }

  /** Parses the next output, synchronously. */
  write(bytes: Uint8Array): void {
    const allowed = this.#filter.push(bytes, this.#core);
    if (allowed.length > 0) this.#core.writeSync(allowed);
  }

  /** Output is missing here: drops the unfinished sequence. */
  cancel(): void {
    this.#filter.cancel();
  }

  /** The terminal before its `openBytes`, which have to follow, as one text. */
  serialize(options: SerializeOptions): string {
    const { drawn, state } = this.serializeParts(options);
    return drawn + state;
  }

  /** The same in its two parts. */
  serializeParts(options: SerializeOptions): SerializedScreen {
    const { drawn, state } = serialize(this.#core, this.#beyond, options);
    return { drawn, state: state + this.#filter.opening };
  }

  dispose(): void {
    this.#terminal.dispose();
  }
}

/** A terminal like a viewer's: widths by grapheme clusters, and the extensions of current terminals. */
export function makeTerminal(size: TerminalSize, scrollback: number): Terminal {
  const terminal = new Terminal({
    ...size,
    scrollback,
    allowProposedApi: true, // for widths
    logLevel: "off",
    vtExtensions: { kittyKeyboard: true },
    windowOptions: { pushTitle: true, popTitle: true },
  });
  terminal.loadAddon(new UnicodeGraphemesAddon());
  boundGraphemes(terminal);
  terminal.onResize(() => keepWithin(coreOf(terminal)));
  return terminal;
}

// --- internal ---

/** Mends what xterm.js leaves wrong at a new size. */
function keepWithin(core: Core): void {
  const { normal, alt, active } = core.buffers;
  const { rows } = core;
  // With no line above the screen, it may move the screen below the rows that there are when long lines wrap anew. It
  // would write beside them then, and throw at one of the next sizes or in an idle callback.
  normal.ybase = Math.min(normal.ybase, Math.max(0, normal.lines.length - rows));
  normal.ydisp = Math.min(normal.ydisp, normal.ybase);
  // While the alternate screen is empty it stays as high as it was, and would have lines above it later.
  if (alt.lines.length === 0) alt.lines.maxLength = rows;
  // A character that was moved or cut off is joined by none that comes.
  if (!lastPrinted(core, active)) core._inputHandler._parser.precedingJoinState = 0;
}
