/** Reads a PTY master, one chunk a call. */
import { errnoOf } from "../lib/errors.ts";
import { BurstGauge, BurstReader } from "./burst-reader.ts";
import { FdReader } from "./fd-reader.ts";
import { PtyClosedError } from "./pty.ts";
import { Tail } from "./tail.ts";
import { LoopTurn } from "./turn.ts";

/** Interval in which a master without an open slave is tried again while the leader runs, milliseconds. */
const RETRY_MS = 100;

/**
 * Reader of a master that is O_NONBLOCK, owned by its `MasterPty`. Output is over when reading fails with EIO (no slave is
 * open) *after* the leader has exited, or when the tail after that exit is over. EIO before the exit only means that no
 * process has the terminal open for the moment (`exec <&- >&- 2>&-` in a script that opens /dev/tty later).
 *
 * Descriptors, measured on Bun 1.4.5 with strace: `Bun.file(fd).stream()` works on its own duplicate (F_DUPFD_CLOEXEC). Bun
 * closes the duplicate within a millisecond of EIO, of the end or of `cancel()` (in a thread), and never the original. So
 * the owner closes the original, once; and the terminal hangs up only when both are closed.
 */
export class MasterReader {
  readonly #fd: number;
  readonly #tail = new Tail(() => this.cancel());
  readonly #turn = new LoopTurn();
  /** `read()` waits. */
  #isFrozen = false;
  /** Ends the pause of the pending read. */
  #wake: (() => void) | null = null;
  /** Null where the next read has to open a stream. */
  #reader: FdReader | null = null;
  readonly #gauge = new BurstGauge();
  /** Set while output is sustained: there is no stream then. */
  #burst: BurstReader | null = null;
  #draining: Promise<void> | null = null;
  /** Read-ahead: read and not given out yet. */
  #ahead: Uint8Array[];
  #leaderGone = false;
  #ended = false;
  #reading = false;

  /** @param unread the read-ahead of an earlier reader */
  constructor(fd: number, exited: Promise<unknown>, unread: readonly Uint8Array[] = []) {
    this.#fd = fd;
    this.#ahead = [...unread];
    void exited.then(() => {
      this.#leaderGone = true;
      this.#tail.leaderExited();
      this.#wakeUp();
    });
  }

  /** The read-ahead, complete after `drain`. */
  get unread(): readonly Uint8Array[] {
    return this.#ahead;
  }

  /** See `Pty`. @throws Error where the last call has not settled. */
  async read(isLent: boolean): Promise<Uint8Array | null> {
    if (this.#reading) throw new Error("read() was called before the last read() settled");
    this.#reading = true;
    try {
      for (;;) {
        if (this.#ended) return null;
        if (this.#isFrozen) {
          await this.#woken();
          continue;
        }
        const [known] = this.#ahead;
        if (known) {
          await this.#turn.after(known.length);
          if (this.#isFrozen) continue;
          this.#ahead.shift();
          return isLent || known.buffer !== this.#burst?.buffer.buffer ? known : known.slice();
        }
        const final = this.#leaderGone;
        const chunk = await this.#next();
        if (chunk !== null) this.#ahead.unshift(chunk);
        else if (this.#ended || this.#isFrozen) continue;
        else if (final) this.cancel();
        else await this.#pause();
      }
    } finally {
      this.#reading = false;
    }
  }

  /** Ends it: a pending read() gives null, and so does every later one. */
  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#tail.stop();
    this.#wakeUp();
    this.#reader?.cancel();
    this.#reader = null;
  }

  /** From now on `read()` waits. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** Collects the read-ahead, within this turn of the event loop; a later read opens a new stream. */
  drain(): Promise<void> {
    this.#draining ??= this.#cutOff().finally(() => {
      this.#draining = null;
    });
    return this.#draining;
  }

  /** Ends `freeze`. */
  thaw(): void {
    this.#isFrozen = false;
    this.#wakeUp();
  }

  /** A chunk, or null where the stream ended. */
  async #next(): Promise<Uint8Array | null> {
    this.#tail.waiting();
    try {
      const chunk = (this.#burst && (await this.#burstChunk())) ?? (await this.#streamed());
      if (chunk !== null) this.#tail.saw(chunk.length);
      return chunk;
    } finally {
      this.#tail.saw(0);
    }
  }

  async #streamed(): Promise<Uint8Array | null> {
    if (this.#ended || this.#isFrozen) return null;
    this.#reader ??= new FdReader(this.#fd);
    const reader = this.#reader;
    try {
      const chunk = await reader.read();
      if (chunk === null) {
        if (this.#reader === reader) this.#reader = null;
      } else if (this.#gauge.isSustained(chunk.length)) {
        await this.#beginBurst();
      }
      return chunk;
    } catch (error) {
      if (this.#reader === reader) this.#reader = null;
      if (isEio(error)) return null;
      throw this.#ended ? new PtyClosedError("the PTY was closed while it was read") : error;
    }
  }

  /** The next chunk of sustained output; null outside of a burst, and where reading is frozen or has ended. */
  async #burstChunk(): Promise<Uint8Array | null> {
    while (this.#burst) {
      await new Promise(setImmediate);
      if (this.#ended || this.#isFrozen) return null;
      const chunk = this.#burst.take();
      if (chunk === null) this.#burst = null;
      else if (chunk.length > 0) return chunk;
    }
    return null;
  }

  /** Changes from the stream to polling; the stream's read-ahead comes behind the current chunk. */
  async #beginBurst(): Promise<void> {
    try {
      await this.drain();
      this.#burst = new BurstReader(this.#fd);
    } catch {
      // No descriptor is free for the change. The stream goes on, and the next chunk tries again.
    }
  }

  /** @throws Error where no descriptor is free; the stream then stays */
  async #cutOff(): Promise<void> {
    const reader = this.#reader;
    if (!reader) return;
    const rest = await reader.drain();
    if (this.#reader === reader) this.#reader = null;
    this.#ahead.push(...rest);
  }

  /** Waits for the next try. Awaits no long-lived promise: each wait would leave a reaction on it. */
  async #pause(): Promise<void> {
    if (this.#leaderGone || this.#ended) return;
    const timer = setTimeout(() => this.#wakeUp(), RETRY_MS);
    await this.#woken();
    clearTimeout(timer);
  }

  /** Resolves at the leader's exit, the end of reading, `thaw` or the timer of `#pause`. One read waits at a time. */
  #woken(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

/** Whether the error is EIO: no process has the master's slave open. */
export function isEio(error: unknown): boolean {
  return errnoOf(error) === "EIO";
}
