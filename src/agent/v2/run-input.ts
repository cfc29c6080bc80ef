/** stdin of a command: each byte once, over any number of connections. */
import { closeSync } from "node:fs";
import { StreamReceiver } from "../../lib/stream.ts";
import { MasterWriter } from "../../pty/master-writer.ts";
import { INPUT_WINDOW } from "./viewer-inputs.ts";

export class RunInput {
  readonly #fd: number;
  readonly #writer: MasterWriter;
  readonly #receiver = new StreamReceiver(0);
  #applied = 0;
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param fd writing end of a pipe, ours to close */
  constructor(fd: number) {
    this.#fd = fd;
    this.#writer = new MasterWriter(fd, () => true);
  }

  get accepted(): number {
    return this.#receiver.next;
  }

  get applied(): number {
    return this.#applied;
  }

  /** As `ViewerInput.accept`. What a command does not want to read any more is taken and dropped. */
  accept(offset: number, bytes: Uint8Array, onApplied: () => void): boolean {
    if (offset + bytes.length > this.#applied + INPUT_WINDOW) return false;
    const fresh = this.#receiver.accept(offset, bytes)?.slice();
    if (!fresh) return false;
    if (fresh.length === 0) return true;
    const end = this.accepted;
    this.#queue = this.#queue.then(async () => {
      if (!this.#closed) await this.#writer.write(fresh).catch(() => this.close());
      this.#applied = end;
      onApplied();
    });
    return true;
  }

  /** There is no more than what was accepted. */
  finish(): void {
    this.#queue = this.#queue.then(() => this.close());
  }

  /** The command is gone, or reads no more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#writer.close();
    closeSync(this.#fd);
  }
}
