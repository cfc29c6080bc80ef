/** The stdin of a command: each byte once, in order, over any number of connections; then its end. */
import { StreamReceiver } from "../../lib/stream.ts";
import type { Stdin } from "../child-pipes.ts";
import { UNAPPLIED_BYTES } from "./typing.ts";

export class RunInput {
  /** Told of each change of `applied`. */
  onApplied: (() => void) | null = null;
  readonly #stdin: Stdin | null;
  readonly #receiver = new StreamReceiver(0);
  #queue: Promise<void> = Promise.resolve();
  #applied = 0;
  #closed = false;
  #finished = false;

  constructor(stdin: Stdin | null) {
    this.#stdin = stdin;
  }

  get accepted(): number {
    return this.#receiver.next;
  }

  get applied(): number {
    return this.#applied;
  }

  get limit(): number {
    return this.#applied + UNAPPLIED_BYTES;
  }

  /** @returns false where bytes before these are missing, or these are too many */
  data(offset: number, bytes: Uint8Array): boolean {
    if (offset + bytes.length > this.limit) return false;
    const fresh = this.#receiver.accept(offset, bytes);
    if (!fresh) return false;
    if (fresh.length > 0) this.#enqueue(Uint8Array.from(fresh));
    return true;
  }

  /** @returns false where bytes before the end are missing */
  fin(offset: number): boolean {
    if (offset > this.accepted) return false;
    if (this.#finished) return true;
    this.#finished = true;
    this.#queue = this.#queue.then(() => this.close());
    return true;
  }

  /** The command reads no more: what comes is taken and thrown away. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stdin?.end();
  }

  // --- internal ---

  #enqueue(bytes: Uint8Array): void {
    this.#queue = this.#queue.then(async () => {
      if (!this.#closed) await this.#write(bytes);
      this.#applied += bytes.length;
      this.onApplied?.();
    });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#stdin?.write(bytes);
    } catch {
      this.close(); // EPIPE: the command closed it first
    }
  }
}
