/** A bounded queue for output that Bun pushes, with flow control for the program. */
import { closeSync, constants, openSync } from "node:fs";
import { suspendOutput } from "./libc.ts";
import { slaveNumber } from "./procfs.ts";
import { Tail } from "./tail.ts";
import { LoopTurn } from "./turn.ts";

/** Queued bytes at which the program's output is suspended, and at which it resumes. */
const HIGH = 1 << 20;
const LOW = 1 << 18;
/** Queued bytes beyond which output is dropped, where it cannot be suspended. Less than 200 KB follow a suspension. */
const CEILING = 4 << 20;
const LOST = new TextEncoder().encode(
  "\r\n\x1b[0;7m[rexec: output lost here: the viewer was too slow]\x1b[0m\r\n",
);

/**
 * The output of one `BunTerminalPty`, which owns it. `Bun.Terminal` cannot be paused (oven-sh/bun#41410), so the terminal
 * is: tcflow(TCOOFF) on the slave, like Ctrl-S, but no key undoes it. Measured: 12 KB came after it, then none until TCOON.
 * The alternative was SIGSTOP, which an interactive shell reports as a suspended job.
 */
export class OutputQueue {
  readonly #tty: () => number;
  readonly #chunks: Uint8Array[] = [];
  readonly #tail = new Tail(() => this.end());
  readonly #turn = new LoopTurn();
  #queued = 0;
  #suspended = false;
  #lost = false;
  #ended = false;
  #wake: (() => void) | null = null;

  /** @param tty gives the device number of the terminal, 0 where it is not known */
  constructor(tty: () => number) {
    this.#tty = tty;
  }

  /** Output that was not given out. */
  get unread(): readonly Uint8Array[] {
    return this.#chunks;
  }

  /** Lets the program write again, for the next reader of its terminal. */
  release(): void {
    if (this.#suspended && !this.#ended) this.#suspended = !this.#suspend(false);
  }

  push(data: Uint8Array): void {
    if (this.#ended) return;
    this.#tail.saw(data.length);
    if (this.#queued + data.length > CEILING) {
      this.#lost = true;
      return;
    }
    if (this.#lost) this.#append(LOST);
    this.#lost = false;
    this.#append(data);
    if (this.#queued >= HIGH && !this.#suspended) this.#suspended = this.#suspend(true);
    this.#tail.waiting();
  }

  /** The next chunk, or null at the end. @throws Error where the last call has not settled. */
  async read(): Promise<Uint8Array | null> {
    if (this.#wake !== null) throw new Error("read() was called before the last read() settled");
    while (this.#chunks.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return null;
    this.#queued -= chunk.length;
    if (this.#suspended && !this.#ended && this.#queued <= LOW) this.#suspended = !this.#suspend(false);
    await this.#turn.after(chunk.length); // else Bun reads on and on, and the queue would never fill
    return chunk;
  }

  /** The leader has exited: the rest in the kernel may come, all of it at once. */
  leaderExited(): void {
    this.#tail.waiting();
    this.#tail.leaderExited();
  }

  /** Takes no more output; queued output can still be read. */
  end(): void {
    if (this.#ended) return;
    if (this.#lost) this.#append(LOST);
    this.#ended = true;
    this.#tail.stop();
    this.#wake?.();
  }

  #append(data: Uint8Array): void {
    this.#chunks.push(data);
    this.#queued += data.length;
    this.#wake?.();
  }

  /** Says whether it could. */
  #suspend(on: boolean): boolean {
    // Opened for this moment only: an open slave here would hide the end of the terminal.
    const number = slaveNumber(this.#tty());
    if (number === null) return !on;
    let fd: number | null = null;
    try {
      fd = openSync(`/dev/pts/${number}`, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
      return suspendOutput(fd, on);
    } catch {
      return !on;
    } finally {
      if (fd !== null) closeSync(fd);
    }
  }
}
