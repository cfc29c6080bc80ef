/** Bytes on their way to the screen or a pipe: in order, one write at a time, and word of each that was taken. */

/** Most bytes of one write: a slow reader is then heard of often. */
const WRITE_BYTES = 64 * 1024;

interface Item {
  bytes: Uint8Array;
  taken: (() => void) | null;
}

/** A queue in front of one output. Has no bound of its own: the credit of what is pushed is one, by rexec.v1 a paused socket. */
export class Sink {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #queue: Item[] = [];
  #pending = 0;
  #busy = false;
  #writing: Promise<void> = Promise.resolve();

  /** @param failed called once where nothing can be written any more */
  constructor(write: (bytes: Uint8Array) => Promise<void>, failed: (error: unknown) => void) {
    this.#write = write;
    this.#failed = failed;
  }

  /** Bytes that wait or are being written. */
  get pending(): number {
    return this.#pending;
  }

  /** @param taken called once they, and all before them, have been written */
  push(bytes: Uint8Array, taken: (() => void) | null = null): void {
    this.#queue.push({ bytes, taken });
    this.#pending += bytes.length;
    if (this.#busy) return;
    this.#busy = true;
    this.#writing = this.#drain().catch(this.#failed);
  }

  /** Forgets what waits: something better is about to come. */
  clear(): void {
    for (const { bytes } of this.#queue) this.#pending -= bytes.length;
    this.#queue = [];
  }

  /** Resolves once everything so far is written. */
  flushed(): Promise<void> {
    return this.#writing;
  }

  // --- internal ---

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const items = this.#take();
      const bytes = join(items);
      if (bytes.length > 0) await this.#write(bytes);
      this.#pending -= bytes.length;
      for (const { taken } of items) taken?.();
    }
    this.#busy = false;
  }

  /** The first item, and those behind it that fit into the same write. */
  #take(): Item[] {
    let count = 0;
    let length = 0;
    for (const { bytes } of this.#queue) {
      if (count > 0 && length + bytes.length > WRITE_BYTES) break;
      length += bytes.length;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }
}

function join(items: readonly Item[]): Uint8Array {
  const [only] = items;
  return only && items.length === 1 ? only.bytes : Buffer.concat(items.map(({ bytes }) => bytes));
}
