/** Reads a PTY master, one chunk when one is asked for. */
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
  #reader: ReturnType<typeof openReader>;
  #leaderGone = false;
  #ended = false;
  #reading = false;

  constructor(fd: number, exited: Promise<unknown>) {
    this.#fd = fd;
    this.#reader = openReader(fd);
    this.#exited = exited.then(() => {
      this.#leaderGone = true;
      this.#tail.leaderExited();
    });
  }

  /** The next chunk, or null at the end of all output. @throws Error where the last call has not settled. */
  async read(): Promise<Uint8Array | null> {
    if (this.#reading) throw new Error("read() was called before the last read() settled");
    this.#reading = true;
    try {
      while (!this.#ended) {
        const final = this.#leaderGone;
        const chunk = await this.#next();
        if (chunk !== null) {
          await this.#turn.after(chunk.length);
          return chunk;
        }
        if (this.#ended) break;
        if (final) this.cancel();
        else await this.#reopen();
      }
      return null;
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
    this.#reader.cancel().catch(() => {}); // already at its end, by EIO
  }

  /** A chunk, or null where the stream ended. */
  async #next(): Promise<Uint8Array | null> {
    this.#tail.waiting();
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) return null;
        if (value.length > 0) {
          this.#tail.saw(value.length);
          return value;
        }
      }
    } catch (error) {
      if (isEio(error)) return null;
      throw this.#ended ? new PtyClosedError("the PTY was closed while it was read") : error;
    } finally {
      this.#tail.saw(0);
    }
  }

  async #reopen(): Promise<void> {
    await Promise.race([this.#exited, this.#cancelled.promise, Bun.sleep(RETRY_MS)]);
    if (!this.#ended) this.#reader = openReader(this.#fd);
  }
}

/** Whether the error is EIO: of a master, that no process has its slave open. */
export function isEio(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EIO";
}

function openReader(fd: number) {
  return Bun.file(fd).stream().getReader();
}
