/** The two ends of a numbered byte stream: each byte has an offset, so that a cut line costs nothing but time. */
import type { ByteRing } from "./byte-ring.ts";

/** What to send next: bytes, which are a view that is true until the ring changes, or word that bytes are gone. */
export type Piece =
  | { kind: "data"; offset: number; bytes: Uint8Array<ArrayBuffer> }
  | { kind: "gap"; from: number; to: number };

/** One reader's place in a ring: what was sent to it, what it has consumed, how far it may be sent. */
export class StreamCursor {
  readonly #ring: ByteRing;
  #sent: number;
  #consumed: number;
  #limit: number;

  /** @param from first offset to send; `limit` grows with the reader's acks */
  constructor(ring: ByteRing, from: number, limit = from) {
    this.#ring = ring;
    this.#sent = from;
    this.#consumed = from;
    this.#limit = limit;
  }

  get sent(): number {
    return this.#sent;
  }

  get consumed(): number {
    return this.#consumed;
  }

  get limit(): number {
    return this.#limit;
  }

  /** True where `next` would give something. */
  get ready(): boolean {
    return this.#sent < Math.min(this.#limit, this.#ring.end);
  }

  /**
   * The next piece, at most `max` bytes, or null: nothing there, or no credit. A gap may go over the credit, but waits for
   * some: a reader that stands still hears of one, not of one for each byte that it misses.
   */
  next(max: number): Piece | null {
    if (this.#sent < this.#ring.start && this.#sent < this.#limit) {
      const gap: Piece = { kind: "gap", from: this.#sent, to: this.#ring.start };
      this.#sent = this.#ring.start;
      return gap;
    }
    const length = Math.min(max, this.#limit - this.#sent, this.#ring.end - this.#sent);
    if (length <= 0) return null;
    const offset = this.#sent;
    const bytes = this.#ring.view(offset, length);
    this.#sent += bytes.length;
    return { kind: "data", offset, bytes };
  }

  /**
   * An ack: a lost, late or repeated one changes nothing. It may be ahead of what was sent where those bytes are gone: the
   * reader was told where the stream goes on when it attached. False where it claims bytes that it can't have.
   */
  ack(consumed: number, limit: number): boolean {
    if (consumed > Math.max(this.#sent, this.#ring.start)) return false;
    this.#sent = Math.max(this.#sent, consumed);
    this.#consumed = Math.max(this.#consumed, consumed);
    this.#limit = Math.max(this.#limit, limit);
    return true;
  }

  /** After a reconnect: the other side has everything before `offset` and no more. It must grant credit anew. */
  rewind(offset: number): void {
    this.#sent = offset;
    this.#consumed = Math.max(this.#consumed, offset);
    this.#limit = offset;
  }
}

/** The receiving end: bytes in order, each once. */
export class StreamReceiver {
  #next: number;

  constructor(next: number) {
    this.#next = next;
  }

  /** Offset of the byte that is waited for. */
  get next(): number {
    return this.#next;
  }

  /** The bytes that are new, empty where all were there already; null where some before them are missing. */
  accept(offset: number, bytes: Uint8Array): Uint8Array | null {
    if (offset > this.#next) return null;
    const known = this.#next - offset;
    if (known >= bytes.length) return bytes.subarray(bytes.length);
    this.#next = offset + bytes.length;
    return known === 0 ? bytes : bytes.subarray(known);
  }

  /** Bytes up to `to` will not come. Gives how many that are. */
  skip(to: number): number {
    const skipped = Math.max(0, to - this.#next);
    this.#next += skipped;
    return skipped;
  }
}
