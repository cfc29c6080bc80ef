/** The receiving end of a stream with credit: bytes once and in order, and the acks that keep the sender going. */
import { CREDIT, type CreditOptions, CreditWindow } from "./credit.ts";
import { StreamReceiver } from "./stream.ts";

/** What an ACK frame says. */
export interface Ack {
  consumed: number;
  limit: number;
}

/** Owned by the reader of one stream. Offsets in bytes. */
export class Inlet {
  readonly #receiver: StreamReceiver;
  readonly #credit: CreditWindow;
  #told: Ack;

  /** @param start offset from which the stream is taken up */
  constructor(start: number, options: CreditOptions = CREDIT) {
    this.#receiver = new StreamReceiver(start);
    this.#credit = new CreditWindow(start, options);
    this.#told = { consumed: start, limit: start };
  }

  /** Offset of the byte that is waited for. */
  get next(): number {
    return this.#receiver.next;
  }

  get consumed(): number {
    return this.#credit.consumed;
  }

  get limit(): number {
    return this.#credit.limit;
  }

  /** The bytes that are new; null where some before them are missing, which is an error of the sender. */
  accept(offset: number, bytes: Uint8Array): Uint8Array | null {
    return this.#receiver.accept(offset, bytes);
  }

  /** Bytes up to `to` will not come: they count as consumed. Gives how many that are. */
  skip(to: number, nowMs: number): number {
    const skipped = this.#receiver.skip(to);
    this.#credit.advance(to, nowMs);
    return skipped;
  }

  /**
   * Everything before `offset` was consumed. The ack that is to be sent at once, or null: then `flush` within 100 ms.
   * @param nowMs any monotonic clock
   * @param rttMs round trip to the sender, where it is known
   */
  advance(offset: number, nowMs: number, rttMs = 0): Ack | null {
    this.#credit.advance(offset, nowMs, rttMs);
    const { consumed, limit, window } = this.#credit;
    // Early enough that the sender never waits: while three quarters of a window are still open.
    const worthIt = consumed - this.#told.consumed >= window / 4 || limit - this.#told.limit >= window / 4;
    return worthIt ? this.flush() : null;
  }

  /** The ack that has not been sent, or null. To be sent at the beginning, which grants the first window. */
  flush(): Ack | null {
    const { consumed, limit } = this.#credit;
    if (consumed === this.#told.consumed && limit === this.#told.limit) return null;
    this.#told = { consumed, limit };
    return this.#told;
  }

  /** After a reconnect: the new peer has been told nothing. */
  forgetTold(): void {
    this.#told = { consumed: -1, limit: -1 };
  }
}
