/**
 * Input until it was applied: each byte has an offset, and what the other side has not acknowledged is kept, so that
 * it can be sent again over another connection, and is applied once.
 */

import { UNAPPLIED_BYTES } from "../protocol/limits.ts";
import { encodeFrame, Stream } from "../protocol/v2/frames.ts";
import { ByteRing } from "../stream/byte-ring.ts";
import { StreamCursor } from "../stream/stream.ts";

/** Small enough that a slow line acknowledges often. */
const FRAME_BYTES = 16 * 1024;

type Send = (frame: Uint8Array<ArrayBuffer>) => void;

/** Where a journal goes at the moment. */
export interface InputChannel {
  channel: number;
  send: Send;
}

/** Owned by the viewer of a session; it outlives connections. Offsets in bytes. */
export class InputWriter {
  #ring = new ByteRing(UNAPPLIED_BYTES);
  #cursor = new StreamCursor(this.#ring, 0);
  #finished = false;
  #finSent = false;
  #to: InputChannel | null = null;
  #changed = Promise.withResolvers<void>();

  /** Bytes that were not acknowledged. */
  get unapplied(): number {
    return this.#ring.length;
  }

  /** Adds input, and waits while there is no room; returns early where the signal aborts. */
  async take(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const room = UNAPPLIED_BYTES - this.#ring.length;
      if (signal.aborted) return;
      if (room === 0) {
        await this.#change(signal);
        continue;
      }
      this.#ring.append(bytes.subarray(at, at + room));
      at += room;
      this.#pump();
    }
  }

  /** There will be no more. */
  finish(): void {
    this.#finished = true;
    this.#pump();
  }

  /**
   * The other side has applied everything before `applied` and takes more by this channel.
   * @returns bytes that may have been lost: the other side does not know us any more (or less than it did)
   */
  attached(applied: number, to: InputChannel): number {
    let lost = 0;
    if (applied < this.#ring.start || applied > this.#ring.end) {
      lost = this.#ring.length;
      this.#ring = new ByteRing(UNAPPLIED_BYTES, applied);
      this.#cursor = new StreamCursor(this.#ring, applied);
    } else {
      this.#cursor.rewind(applied);
      this.#ring.discardBefore(applied);
    }
    this.#finSent = false;
    this.#to = to;
    this.#wake();
    this.#pump();
    return lost;
  }

  /** No connection, or nobody behind it: input is kept. */
  detached(): void {
    this.#to = null;
  }

  /** @returns false where bytes are claimed that were never sent */
  ack(consumed: number, limit: number): boolean {
    if (!this.#cursor.ack(consumed, limit)) return false;
    this.#ring.discardBefore(this.#cursor.consumed);
    this.#wake();
    this.#pump();
    return true;
  }

  /** Resolves once everything was acknowledged, or the signal aborts. */
  async applied(signal: AbortSignal): Promise<void> {
    while (this.#ring.length > 0 && !signal.aborted) await this.#change(signal);
  }

  // --- internal ---

  #pump(): void {
    if (!this.#to) return;
    const { channel, send } = this.#to;
    for (let piece = this.#cursor.next(FRAME_BYTES); piece; piece = this.#cursor.next(FRAME_BYTES)) {
      if (piece.kind === "data") send(encodeFrame({ ...piece, stream: Stream.input, channel }));
    }
    if (!this.#finished || this.#finSent || this.#cursor.sent < this.#ring.end) return;
    this.#finSent = true;
    send(encodeFrame({ kind: "fin", stream: Stream.input, channel, offset: this.#ring.end }));
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = this.#changed;
    const abort = () => resolve();
    signal.addEventListener("abort", abort, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", abort));
  }
}
