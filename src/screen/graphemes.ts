/** Characters by grapheme clusters, of which none grows without a bound. */
import type { IUnicodeVersionProvider, Terminal } from "@xterm/headless";
import { coreOf } from "./xterm-core.ts";

/** Code points of a cluster: the longest that are written (families, flags of regions) have about ten. */
const MOST = 32;
const VERSION = "bounded-graphemes";

/** Puts a bound to the clusters of the provider that is active. */
export function boundGraphemes(terminal: Terminal): void {
  terminal.unicode.register(new BoundedGraphemes(coreOf(terminal).unicodeService._activeProvider));
  terminal.unicode.activeVersion = VERSION;
}

// --- internal ---

class BoundedGraphemes implements IUnicodeVersionProvider {
  readonly version = VERSION;
  readonly #unbound: IUnicodeVersionProvider;
  /** Code points that joined, one after the other. */
  #joined = 0;

  constructor(unbound: IUnicodeVersionProvider) {
    this.#unbound = unbound;
  }

  wcwidth(codePoint: number): 0 | 1 | 2 {
    return this.#unbound.wcwidth(codePoint);
  }

  /** Bit 0 of what it gives says that the code point joins what is before it. */
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
