/** Grapheme clusters of bounded length. */
import type { IUnicodeVersionProvider, Terminal } from "@xterm/headless";
import { coreOf } from "./xterm-core.ts";

/** Code points of a cluster: the longest in use (families, flags of regions) have about ten. */
const MOST = 32;
const VERSION = "bounded-graphemes";

/** Bounds the clusters of the terminal's active provider. */
export function boundGraphemes(terminal: Terminal): void {
  terminal.unicode.register(new BoundedGraphemes(coreOf(terminal).unicodeService._activeProvider));
  terminal.unicode.activeVersion = VERSION;
}

// --- internal ---

class BoundedGraphemes implements IUnicodeVersionProvider {
  readonly version = VERSION;
  readonly #unbound: IUnicodeVersionProvider;
  /** Code points joined in the current cluster. */
  #joined = 0;

  constructor(unbound: IUnicodeVersionProvider) {
    this.#unbound = unbound;
  }

  wcwidth(codePoint: number): 0 | 1 | 2 {
    return this.#unbound.wcwidth(codePoint);
  }

  /** Bit 0 of the result: the code point joins the one before it. */
  charProperties(codePoint: number, preceding: number): number {
    const properties = this.#unbound.charProperties(codePoint, preceding);
    if ((properties & 1) === 0) {
      this.#joined = 0;
      return properties;
    }
    this.#joined += 1;
    if (this.#joined < MOST) return properties;
    this.#joined = 0;
    return this.#unbound.charProperties(codePoint, 0);
  }
}
