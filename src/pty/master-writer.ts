/** Writes to a PTY master without ever blocking the event loop. */
import { writeSync } from "node:fs";
import { errnoOf } from "../lib/errors.ts";
import { isEio } from "./master-reader.ts";
import { PtyClosedError } from "./pty.ts";

/** Pause after EAGAIN in milliseconds: first, and at most after doubling. */
const WAIT_MS = [1, 32] as const;
/** Bytes of one write: the kernel's terminal takes less at a time. */
const PIECE = 16 * 1024;
/** Milliseconds of writing before other events get their turn. */
const TURN_MS = 4;

/**
 * Writer to a master that is O_NONBLOCK, in the order of the calls. Owned by its PTY. Not `Bun.file(fd).writer()`: it clears
 * O_NONBLOCK on the shared description, and the next write to a full terminal then stops the whole process.
 */
export class MasterWriter {
  readonly #fd: number;
  readonly #leaderGone: () => boolean;
  #last: Promise<void> | null = null;
  readonly #pending: { data: Uint8Array; written: number }[] = [];
  #closed = false;

  constructor(fd: number, leaderGone: () => boolean) {
    this.#fd = fd;
    this.#leaderGone = leaderGone;
  }

  /** Input that the kernel has not taken yet, an entry for each call of `write`, in order. */
  get unwritten(): Uint8Array[] {
    return this.#pending.map(({ data, written }) => data.subarray(written));
  }

  /** Resolves when the kernel has taken all bytes; `data` must stay as it is until then. */
  write(data: Uint8Array): Promise<void> {
    const item = { data, written: 0 };
    this.#pending.push(item);
    // Without pending input a keystroke is in the kernel when this call returns.
    const sent = this.#last === null ? this.#send(item) : this.#last.then(() => this.#send(item));
    this.#last = sent;
    const settle = () => {
      this.#pending.splice(this.#pending.indexOf(item), 1);
      if (this.#last === sent) this.#last = null;
    };
    sent.then(settle, settle);
    return sent;
  }

  /** Ends it: pending input is dropped. Call it before the descriptor is closed. */
  close(): void {
    this.#closed = true;
  }

  async #send(item: { data: Uint8Array; written: number }): Promise<void> {
    const { data } = item;
    let wait: number = WAIT_MS[0];
    let turn = performance.now();
    while (item.written < data.length) {
      const written = this.#tryWrite(data, item.written);
      item.written += written;
      if (written === 0) {
        await Bun.sleep(wait);
        wait = Math.min(wait * 2, WAIT_MS[1]);
        turn = performance.now();
      } else {
        wait = WAIT_MS[0];
        if (performance.now() - turn > TURN_MS) {
          await new Promise(setImmediate);
          turn = performance.now();
        }
      }
    }
  }

  /** @returns bytes taken: 0 where the kernel has no room now */
  #tryWrite(data: Uint8Array, offset: number): number {
    if (this.#closed) throw new PtyClosedError("the PTY ended before all input was written");
    try {
      return writeSync(this.#fd, data, offset, Math.min(PIECE, data.length - offset));
    } catch (error) {
      if (errnoOf(error) === "EAGAIN") return 0;
      if (!isEio(error)) throw error;
      // EIO: no process has the slave open. For good only if the leader is gone (see MasterReader).
      if (this.#leaderGone()) throw new PtyClosedError("the PTY ended before all input was written");
      return 0;
    }
  }
}
