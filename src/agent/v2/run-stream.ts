/** One output stream of a command: what was read of its pipe and is not acknowledged yet. Nothing is ever dropped. */
import { ByteRing } from "../../lib/byte-ring.ts";
import { LoopTurn } from "../../pty/turn.ts";
import type { Output } from "../child-pipes.ts";

/** Most that is kept unacknowledged, bytes; the largest window there is. */
const UNACKED_BYTES = 1024 * 1024;
/** Most that one read of a pipe gives, bytes (measured on Bun 1.4.5). */
const READ_BYTES = 256 * 1024;
/** How long a buffer that became empty is kept, ms. */
const LET_GO_MS = 1_000;
/** How long a background process may hold the pipe open in silence after the command has ended, ms. */
const PIPE_GRACE_MS = 1_000;

export class RunStream {
  readonly ring = new ByteRing(UNACKED_BYTES + READ_BYTES);
  /** When the last of it was read, Unix ms; 0 before. */
  lastAt = 0;
  /** Told of new bytes and of the end. */
  onAdvance: (() => void) | null = null;
  readonly done: Promise<void>;
  readonly #reader: ReturnType<typeof openReader>;
  #reading = false;
  readonly #turn = new LoopTurn();
  #consumed = 0;
  #limit = 0;
  #isOver = false;
  #discards = false;
  #wake: (() => void) | null = null;
  #letGo: Timer | null = null;

  /** @param exited settles when the command itself has ended */
  constructor({ stream, release }: Output, exited: Promise<unknown>) {
    this.#reader = openReader(stream);
    this.done = this.#pump().finally(release);
    void exited.then(() => this.#exited());
  }

  /** All there will ever be is in the ring. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** What is before `consumed` may be forgotten, what is before `limit` may be read. */
  ack(consumed: number, limit: number): void {
    this.#consumed = Math.max(this.#consumed, Math.min(consumed, this.ring.end));
    this.#limit = Math.max(this.#limit, limit);
    this.#forget();
    this.#wakeUp();
  }

  /** Nobody wants it any more: it is read to its end and thrown away, so that the command can go. */
  discard(): void {
    this.#discards = true;
    this.#wakeUp();
  }

  // --- internal ---

  get #mayRead(): boolean {
    const { end } = this.ring;
    return this.#discards || (end < this.#limit && end - this.#consumed < UNACKED_BYTES);
  }

  /** What is consumed. The memory stays for a moment: a flood would ask for it again at once, and leave garbage. */
  #forget(): void {
    this.ring.discardBefore(this.#consumed, true);
    if (this.ring.length > 0 || this.#letGo) return;
    this.#letGo = setTimeout(() => {
      this.#letGo = null;
      if (this.ring.length === 0) this.ring.discardBefore(this.#consumed);
    }, LET_GO_MS);
    this.#letGo.unref();
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        while (!this.#mayRead) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
        this.#reading = true;
        const result = await this.#reader.read();
        this.#reading = false;
        if (result.done) break;
        if (this.#discards) continue;
        this.#keep(result.value);
        this.onAdvance?.();
        await this.#turn.after(result.value.length);
      }
    } catch {
      // The pipe broke with its process: what there is was read.
    }
    this.#reader.cancel().catch(() => {});
    this.#isOver = true;
    this.onAdvance?.();
  }

  #keep(bytes: Uint8Array): void {
    const { ring } = this;
    this.lastAt = Date.now();
    // Whatever the runtime reads at a time: nothing is overwritten.
    if (ring.length + bytes.length > ring.capacity) ring.resize(ring.length + bytes.length);
    ring.append(bytes);
  }

  /**
   * The command has ended: a pipe that then stays silent is closed. Not a race of promises for each read: `exited`
   * would keep them, and what they gave, until the command ends.
   */
  #exited(): void {
    let at = this.ring.end;
    const timer = setInterval(() => {
      if (this.#isOver || (this.#reading && this.ring.end === at)) {
        clearInterval(timer);
        this.#reader.cancel().catch(() => {});
      }
      at = this.ring.end;
    }, PIPE_GRACE_MS);
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

// --- internal ---

function openReader(stream: ReadableStream<Uint8Array>) {
  return stream.getReader();
}
