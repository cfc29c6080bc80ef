/** Reads a PTY master, one chunk when one is asked for. */
import { FdReader } from "./fd-reader.ts";
import { Gate } from "./gate.ts";
import { PtyClosedError } from "./pty.ts";
import { Tail } from "./tail.ts";
import { LoopTurn } from "./turn.ts";

/** Milliseconds until a master without a slave is tried again, while the leader still runs. */
const RETRY_MS = 100;

/**
 * Reader of a master that is O_NONBLOCK. Output is over when reading fails with EIO (no slave is open) *after* the
 * leader has exited, or when the tail after that exit is over; EIO before it only means that for the moment no
 * process has the terminal open (`exec <&- >&- 2>&-` in a script that opens /dev/tty later).
 *
 * Descriptors, measured on Bun 1.4.5 with strace: `Bun.file(fd).stream()` works on its own duplicate
 * (F_DUPFD_CLOEXEC). Bun closes that one within a millisecond of EIO, of the end or of `cancel()` (in a thread), and
 * never the one that it was given. So the given one is the owner's to close, once; and the terminal hangs up only
 * when both are closed.
 */
export class MasterReader {
  readonly #fd: number;
  readonly #exited: Promise<unknown>;
  readonly #tail = new Tail(() => this.cancel());
  readonly #cancelled = Promise.withResolvers<void>();
  readonly #turn = new LoopTurn();
  readonly #gate = new Gate();
  /** Null where the next read has to begin anew. */
  #reader: FdReader | null = null;
  /** Read, and not given out yet. */
  #ahead: Uint8Array[];
  #leaderGone = false;
  #ended = false;
  #reading = false;

  /** @param unread what an earlier reader had read of it and not given out */
  constructor(fd: number, exited: Promise<unknown>, unread: readonly Uint8Array[] = []) {
    this.#fd = fd;
    this.#ahead = [...unread];
    this.#exited = exited.then(() => {
      this.#leaderGone = true;
      this.#tail.leaderExited();
    });
  }

  /** Read of the master, and not given out: complete after `drain`. */
  get unread(): readonly Uint8Array[] {
    return this.#ahead;
  }

  /** The next chunk, or null at the end of all output. @throws Error where the last call has not settled. */
  async read(): Promise<Uint8Array | null> {
    if (this.#reading) throw new Error("read() was called before the last read() settled");
    this.#reading = true;
    try {
      for (;;) {
        if (this.#gate.isShut) await Promise.race([this.#gate.passed(), this.#cancelled.promise]);
        if (this.#ended) return null;
        const [known] = this.#ahead;
        if (known) {
          await this.#turn.after(known.length);
          if (this.#gate.isShut) continue;
          this.#ahead.shift();
          return known;
        }
        const final = this.#leaderGone;
        const chunk = await this.#next();
        if (chunk !== null) this.#ahead.unshift(chunk);
        else if (this.#ended || this.#gate.isShut) continue;
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
    this.#cancelled.resolve();
    this.#reader?.cancel();
    this.#reader = null;
  }

  /** From now on nothing is given out. */
  freeze(): void {
    this.#gate.shut();
  }

  /** While it is frozen: takes what was read ahead, within this turn of the event loop, and reads no more. */
  async drain(): Promise<void> {
    const reader = this.#reader;
    this.#reader = null;
    if (reader) this.#ahead.push(...(await reader.drain()));
  }

  /** As before. */
  thaw(): void {
    this.#gate.open();
  }

  /** A chunk, or null where the stream ended. */
  async #next(): Promise<Uint8Array | null> {
    this.#reader ??= new FdReader(this.#fd);
    const reader = this.#reader;
    this.#tail.waiting();
    try {
      const chunk = await reader.read();
      if (chunk !== null) this.#tail.saw(chunk.length);
      else if (this.#reader === reader) this.#reader = null;
      return chunk;
    } catch (error) {
      if (this.#reader === reader) this.#reader = null;
      if (isEio(error)) return null;
      throw this.#ended ? new PtyClosedError("the PTY was closed while it was read") : error;
    } finally {
      this.#tail.saw(0);
    }
  }

  async #pause(): Promise<void> {
    await Promise.race([this.#exited, this.#cancelled.promise, Bun.sleep(RETRY_MS)]);
  }
}

/** Whether the error is EIO: of a master, that no process has its slave open. */
export function isEio(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EIO";
}
