/** Which size the terminal has at which offset of a session's output. */
import type { TerminalSize } from "./engine.ts";

/** Sizes to come that are kept; older ones are not drawn. */
const MOST_SIZES = 64;

/** The sizes from the offset that was parsed to the output's end. Owned by a `Screen`. */
export class SizeHistory {
  #current: TerminalSize;
  /** Sizes to come, each valid from an offset on. */
  readonly #next: { from: number; size: TerminalSize }[] = [];

  constructor(size: TerminalSize) {
    this.#current = size;
  }

  /** The size at the offset of the last `advance`. */
  get current(): TerminalSize {
    return this.#current;
  }

  /** The size at the output's end. */
  get latest(): TerminalSize {
    return this.#next.at(-1)?.size ?? this.#current;
  }

  /** The offset from which another size is valid; null where the current one is the last. */
  get nextFrom(): number | null {
    return this.#next[0]?.from ?? null;
  }

  /** Only the last of several sizes for one offset counts. @param from the output's end */
  add(from: number, size: TerminalSize): void {
    if (this.#next.at(-1)?.from === from) this.#next.pop();
    this.#next.push({ from, size });
    if (this.#next.length > MOST_SIZES) this.#next.shift();
  }

  /** Goes on to an offset. @returns the size there */
  advance(offset: number): TerminalSize {
    for (let next = this.#next[0]; next && next.from <= offset; next = this.#next[0]) {
      this.#next.shift();
      this.#current = next.size;
    }
    return this.#current;
  }
}
