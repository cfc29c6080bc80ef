/** From the socket to the screen, no faster than the screen takes it: the socket is paused meanwhile. */

/** The socket is paused above the one and goes on below the other, bytes. */
const HIGH = 256 * 1024;
const LOW = 64 * 1024;

/** What is slowed down. */
export interface Source {
  pause(): void;
  resume(): void;
}

export class OutputPump {
  #queue: Uint8Array[] = [];
  #pending = 0;
  #source: Source | null = null;
  #writing: Promise<void> = Promise.resolve();
  #busy = false;
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #failed: (error: unknown) => void;

  /** @param failed called once where the screen cannot be written to any more */
  constructor(write: (bytes: Uint8Array) => Promise<void>, failed: (error: unknown) => void) {
    this.#write = write;
    this.#failed = failed;
  }

  /** The connection that output comes from now. */
  from(source: Source | null): void {
    this.#source = source;
    if (this.#pending > HIGH) source?.pause();
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#pending += bytes.length;
    if (this.#pending > HIGH) this.#source?.pause();
    if (this.#busy) return;
    this.#busy = true;
    this.#writing = this.#drain().catch(this.#failed);
  }

  /** Resolves once everything so far is on the screen. */
  flushed(): Promise<void> {
    return this.#writing;
  }

  // --- internal ---

  async #drain(): Promise<void> {
    for (let batch = this.#take(); batch; batch = this.#take()) {
      await this.#write(batch);
      this.#pending -= batch.length;
      if (this.#pending < LOW) this.#source?.resume();
    }
    this.#busy = false;
  }

  #take(): Uint8Array | null {
    const chunks = this.#queue;
    if (chunks.length === 0) return null;
    this.#queue = [];
    return chunks.length === 1 ? (chunks[0] ?? null) : Buffer.concat(chunks);
  }
}
