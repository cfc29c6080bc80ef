/** Memory of all recordings: blocks that are filled, written and used again. */

/** A block, bytes: one write. */
export const BLOCK_BYTES = 256 * 1024;
/** Of all recordings together. */
const MOST_BLOCKS = 256;
/** Blocks that are kept for the next use. */
const KEPT_BLOCKS = 16;

/** Hands out blocks. One for a gateway. A recording that gets none leaves output out. */
export class BlockPool {
  readonly #most: number;
  readonly #free: Buffer[] = [];
  #used = 0;

  constructor(most = MOST_BLOCKS) {
    this.#most = most;
  }

  /** Null where all are in use: the disk is too slow. */
  take(): Buffer | null {
    if (this.#used >= this.#most) return null;
    this.#used += 1;
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
  }

  give(block: Buffer): void {
    this.#used -= 1;
    if (this.#free.length < KEPT_BLOCKS) this.#free.push(block);
  }

  /** Blocks that hold output. */
  get used(): number {
    return this.#used;
  }
}
