/** stdout or stderr of a command: read only as far as somebody wants it, kept until it was consumed. */
import { closeSync } from "node:fs";
import { ByteRing } from "../../lib/byte-ring.ts";

/** More than a window and one read of a pipe: what was not consumed is never overwritten. */
const KEPT_BYTES = 4 * 1024 * 1024;
/** How long a background process may hold the pipe open, silent, after the command has ended, ms. */
const SILENCE_MS = 1_000;

export class RunOutput {
  readonly ring = new ByteRing(KEPT_BYTES);
  readonly #fd: number;
  readonly #exited: Promise<unknown>;
  readonly #onChange: () => void;
  #limit = 0;
  #ended = false;
  #wake: (() => void) | null = null;
  #waitingSince: number | null = null;

  /** @param fd reading end of a pipe, ours to close; `onChange` is told of new bytes and of the end */
  constructor(fd: number, exited: Promise<unknown>, onChange: () => void) {
    this.#fd = fd;
    this.#exited = exited;
    this.#onChange = onChange;
    void this.#pump();
  }

  /** No more bytes will come. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Somebody wants bytes before `limit`, and those before `consumed` no more. */
  want(consumed: number, limit: number): void {
    this.ring.discardBefore(consumed);
    this.#limit = Math.max(this.#limit, limit);
    this.#wake?.();
    this.#wake = null;
  }

  // --- internal ---

  async #pump(): Promise<void> {
    const reader = Bun.file(this.#fd).stream().getReader();
    void this.#exited.then(() => this.#watchSilence(() => reader.cancel().catch(() => {})));
    try {
      for (;;) {
        while (this.#limit <= this.ring.end) await this.#wanted();
        this.#waitingSince = performance.now();
        const { done, value } = await reader.read();
        this.#waitingSince = null;
        if (done) break;
        this.ring.append(value);
        this.#onChange();
      }
    } catch {
      // The pipe broke with its process: what there was is here.
    }
    this.#ended = true;
    reader.cancel().catch(() => {});
    closeSync(this.#fd);
    this.#onChange();
  }

  #wanted(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }

  /** Once the command has ended: gives up when nothing has come for a second although it was wanted. */
  #watchSilence(giveUp: () => void): void {
    const timer = setInterval(() => {
      const since = this.#waitingSince;
      if (!this.#ended && (since === null || performance.now() - since < SILENCE_MS)) return;
      clearInterval(timer);
      giveUp();
    }, SILENCE_MS / 4);
    timer.unref();
  }
}
