/** One output stream of a command: what was read of its pipe and is not acknowledged yet. Nothing is ever dropped. */

import type { FdReader } from "../../pty/fd-reader.ts";
import { LoopTurn } from "../../pty/turn.ts";
import { ByteRing } from "../../stream/byte-ring.ts";
import type { SavedStream } from "../restart/schema.ts";
import type { Output } from "./child-pipes.ts";

/** Most that is kept unacknowledged, bytes; the largest window there is. */
const UNACKED_BYTES = 1024 * 1024;
/** Most that one read of a pipe gives, bytes (measured on Bun 1.4.5). */
const READ_BYTES = 256 * 1024;
/** How long a buffer that became empty is kept, ms. */
const LET_GO_MS = 1_000;
/** No pipe is taken for silent sooner, ms: what is in it must have had its turn. */
const SHORTEST_LINGER_MS = 50;

/** How long a process that the command leaves may hold a pipe open. */
export interface Linger {
  ms: number;
  /** So long without output; otherwise so long in all. */
  isForSilence: boolean;
}

/** Owned by its `Run`; read by the channel that the command's opener has now, or by v1's collector. */
export class RunStream {
  readonly ring = new ByteRing(UNACKED_BYTES + READ_BYTES);
  /** When the last of it was read, Unix ms; 0 before. */
  lastAt = 0;
  /** Told of new bytes and of the end. @transient viewers attach again */
  onAdvance: (() => void) | null = null;
  /** @transient the reading loop starts anew */
  readonly done: Promise<void>;
  readonly #output: Output | null;
  /** @transient drained into `#ahead` before it is saved */
  #reader: FdReader | null = null;
  /** Read, and not in the ring. */
  #ahead: Uint8Array[] = [];
  /** @transient the next image reads on */
  #frozen = false;
  /** @transient the reading loop starts anew */
  #reading = false;
  /** @transient the reading loop starts anew */
  readonly #turn = new LoopTurn();
  #consumed = 0;
  #limit = 0;
  /** @transient a pipe that is over has no descriptor */
  #isOver = false;
  #isLeftOpen = false;
  /** @transient saved by the command */
  readonly #linger: Linger;
  /** @transient an abandoned command says so again */
  #discards = false;
  /** @transient the reading loop starts anew */
  #wake: (() => void) | null = null;
  /** @transient memory that is given back is not asked for again */
  #letGo: Timer | null = null;

  /**
   * @param output null where it was closed already
   * @param exited settles when the command itself has ended
   * @param saved as an earlier program image left it
   */
  constructor(output: Output | null, exited: Promise<unknown>, linger: Linger, saved?: SavedStream) {
    this.#linger = linger;
    this.#output = output;
    if (saved) this.#restore(saved);
    this.done = output ? this.#pump(output).finally(output.release) : this.#over();
    void exited.then(() => this.#exited());
  }

  /** All there will ever be is in the ring. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** It was closed before its end: a process that the command left holds it still. */
  get isLeftOpen(): boolean {
    return this.#isLeftOpen;
  }

  /** What is before `consumed` may be forgotten, what is before `limit` may be read. */
  ack(consumed: number, limit: number): void {
    this.#consumed = Math.max(this.#consumed, Math.min(consumed, this.ring.end));
    this.#limit = Math.max(this.#limit, limit);
    this.#forget();
    this.#wakeUp();
  }

  /** No opener wants it any more: it is read to its end and thrown away, so that the command can go. */
  discard(): void {
    this.#discards = true;
    this.#wakeUp();
  }

  /** From now on nothing is read but what is read already. */
  freeze(): void {
    this.#frozen = true;
  }

  /** Takes what the runtime has read ahead, within this turn of the event loop. */
  async drain(): Promise<void> {
    const reader = this.#reader;
    this.#reader = null;
    if (reader) this.#ahead.push(...(await reader.drain()));
  }

  thaw(): void {
    this.#frozen = false;
    this.#wakeUp();
  }

  /** For another program image of this process, after `freeze` and `drain`. */
  save(): Required<SavedStream> {
    return {
      fd: this.#isOver ? null : (this.#output?.fd ?? null),
      ring: { start: this.ring.start, parts: this.ring.parts() },
      unread: this.#ahead,
      consumed: this.#consumed,
      limit: this.#limit,
      leftOpen: this.#isLeftOpen,
      lastAt: this.lastAt,
    };
  }

  // --- internal ---

  #restore({ ring, unread, consumed, limit, leftOpen = false, lastAt }: SavedStream): void {
    this.ring.restart(ring.start);
    for (const part of ring.parts) this.#keep(part);
    this.#ahead = unread;
    this.#consumed = consumed;
    this.#limit = limit;
    this.#isLeftOpen = leftOpen;
    this.lastAt = lastAt;
  }

  async #over(): Promise<void> {
    this.#isOver = true;
  }

  get #mayRead(): boolean {
    if (this.#frozen) return false;
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

  async #pump(output: Output): Promise<void> {
    try {
      for (;;) {
        while (!this.#mayRead) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
        const chunk = this.#ahead.shift() ?? (await this.#next(output));
        if (chunk === null && this.#frozen) continue; // cut off, or at its end, which shows again
        if (chunk === null) break;
        if (this.#discards) continue;
        this.#keep(chunk);
        this.onAdvance?.();
        await this.#turn.after(chunk.length);
      }
    } catch {
      // The pipe broke with its process: what there is was read.
    }
    this.#reader?.cancel();
    this.#reader = null;
    this.#isOver = true;
    this.onAdvance?.();
  }

  async #next(output: Output): Promise<Uint8Array | null> {
    this.#reader ??= output.open();
    this.#reading = true;
    const chunk = await this.#reader.read();
    this.#reading = false;
    return chunk;
  }

  #keep(bytes: Uint8Array): void {
    const { ring } = this;
    this.lastAt = Date.now();
    // Whatever the runtime reads at a time: nothing is overwritten.
    if (ring.length + bytes.length > ring.capacity) ring.resize(ring.length + bytes.length);
    ring.append(bytes);
  }

  /**
   * The command has ended: a pipe that a process which it left holds open is closed after a while. Not a race of promises for each read: `exited`
   * would keep them, and what they gave, until the command ends.
   */
  #exited(): void {
    let at = this.ring.end;
    const { ms, isForSilence } = this.#linger;
    const timer = setInterval(
      () => {
        const isSilent = this.#reading && !this.#frozen && this.ring.end === at;
        if (this.#isOver || !isForSilence || isSilent) {
          clearInterval(timer);
          this.#isLeftOpen = !this.#isOver;
          this.#reader?.cancel();
        }
        at = this.ring.end;
      },
      Math.max(ms, SHORTEST_LINGER_MS),
    );
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = null;
  }
}
