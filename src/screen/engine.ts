/** A headless terminal: fed with a session's output, it gives the text that makes a viewer's terminal the same. */
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import { Terminal } from "@xterm/headless";
import { Beyond } from "./beyond.ts";
import { boundGraphemes } from "./graphemes.ts";
import { OutputFilter } from "./output-filter.ts";
import { type SerializedScreen, type SerializeOptions, serializeParts } from "./serialize.ts";
import { type Core, coreOf } from "./xterm-core.ts";

export interface TerminalSize {
  cols: number;
  rows: number;
}

/** Bytes of a cell; colours of underlines and links are beside them. */
const CELL_BYTES = 12;

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

  /** As xterm.js has it. */
  get terminal(): Terminal {
    return this.#terminal;
  }

  get core(): Core {
    return this.#core;
  }

  get beyond(): Beyond {
    return this.#beyond;
  }

  /** A full-screen program has the terminal. */
  get isAlternate(): boolean {
    return this.#core.buffers.active === this.#core.buffers.alt;
  }

  /** Bytes that were written and have no effect yet: the beginning of a sequence, or of a character. */
  get openBytes(): number {
    return this.#filter.openBytes;
  }

  /** About how many bytes of memory it has. */
  get weight(): number {
    const { normal, alt } = this.#core.buffers;
    return (normal.lines.length + alt.lines.length) * this.#core.cols * CELL_BYTES;
  }

  resize({ cols, rows }: TerminalSize): void {
    this.#terminal.resize(cols, rows);
  }

  /** The next output, parsed at once. */
  write(bytes: Uint8Array): void {
    const allowed = this.#filter.push(bytes, this.#core);
    if (allowed.length > 0) this.#core.writeSync(allowed);
  }

  /** Output is missing here: what was open does not go on. */
  cancel(): void {
    this.#filter.cancel();
  }

  /** As it is before its `openBytes`, which a terminal that shows it is still to be given. */
  serialize(options: SerializeOptions): string {
    const { drawn, state } = this.serializeParts(options);
    return drawn + state;
  }

  /** The same in its two parts. */
  serializeParts(options: SerializeOptions): SerializedScreen {
    const { drawn, state } = serializeParts(this.#core, this.#beyond, options);
    return { drawn, state: state + this.#filter.opening };
  }

  dispose(): void {
    this.#terminal.dispose();
  }
}

/** A terminal as a viewer has it: widths by grapheme clusters, and the extensions that terminals of today have. */
export function makeTerminal(size: TerminalSize, scrollback: number): Terminal {
  const terminal = new Terminal({
    ...size,
    scrollback,
    allowProposedApi: true, // widths are behind it
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
function keepWithin({ buffers: { normal, alt }, rows }: Core): void {
  // With no line above the screen, it may move the screen below the rows that there are when long lines wrap anew. It
  // would write beside them then, and throw at one of the next sizes or in an idle callback.
  normal.ybase = Math.min(normal.ybase, Math.max(0, normal.lines.length - rows));
  normal.ydisp = Math.min(normal.ydisp, normal.ybase);
  // While the alternate screen is empty it stays as high as it was, and would have lines above it later.
  if (alt.lines.length === 0) alt.lines.maxLength = rows;
}
