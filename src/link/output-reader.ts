/** One stream of output: from frames to a sink, each byte once, and acknowledged when the sink has taken it. */

import { encodeFrame, type Stream } from "../protocol/v2/frames.ts";
import { type Ack, Inlet } from "../stream/inlet.ts";
import { ProtocolError } from "./link.ts";

/** An ack that is not urgent is sent within this time, ms. */
const ACK_DELAY_MS = 50;

/** Where the bytes go: a terminal, a pipe, a page. */
export interface ByteSink {
  /** @param taken to be called once these bytes, and all before them, were taken: more are asked for then */
  push(bytes: Uint8Array, taken: () => void): void;
}

/** Where acks go at the moment. */
export interface AckChannel {
  channel: number;
  send(frame: Uint8Array<ArrayBuffer>): void;
  readonly rttMs: number;
}

/** Owned by the viewer of a session; it outlives connections. Offsets in bytes. */
export class OutputReader {
  readonly #stream: Stream;
  readonly #sink: ByteSink;
  #inlet: Inlet;
  #to: AckChannel | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(stream: Stream, sink: ByteSink, start = 0) {
    this.#stream = stream;
    this.#sink = sink;
    this.#inlet = new Inlet(start);
  }

  /** Everything before this offset is here: a reconnect goes on from it. */
  get cursor(): number {
    return this.#inlet.next;
  }

  /** From now on acks go there; the first one, which grants a window, at once. */
  attached(to: AckChannel): void {
    this.#to = to;
    this.#inlet.forgetTold();
    this.#send(this.#inlet.flush());
  }

  detached(): void {
    this.#to = null;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** The stream is taken up at another place: a snapshot stands for everything before it. */
  restart(offset: number): void {
    if (offset >= this.#inlet.next) this.#inlet.skip(offset, performance.now());
    else this.#inlet = new Inlet(offset);
    this.#send(this.#inlet.flush());
  }

  /** @throws ProtocolError where bytes before these are missing */
  data(offset: number, bytes: Uint8Array): number {
    const inlet = this.#inlet;
    const fresh = inlet.accept(offset, bytes);
    if (!fresh) throw new ProtocolError(`bytes ${inlet.next} to ${offset} are missing`);
    const end = inlet.next;
    if (fresh.length > 0) this.#sink.push(fresh, () => this.#taken(inlet, end));
    return fresh.length;
  }

  /** Bytes up to `to` will not come. Gives how many that are. */
  gap(to: number): number {
    const skipped = this.#inlet.skip(to, performance.now());
    this.#send(this.#inlet.flush());
    return skipped;
  }

  /** Tells what was taken so far without waiting for more. */
  flushAck(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#send(this.#inlet.flush());
  }

  // --- internal ---

  #taken(inlet: Inlet, offset: number): void {
    if (inlet !== this.#inlet) return;
    const ack = inlet.advance(offset, performance.now(), this.#to?.rttMs ?? 0);
    if (ack) this.#send(ack);
    else if (this.#to) this.#timer ??= setTimeout(() => this.flushAck(), ACK_DELAY_MS);
  }

  #send(ack: Ack | null): void {
    const to = this.#to;
    if (ack && to) to.send(encodeFrame({ kind: "ack", stream: this.#stream, channel: to.channel, ...ack }));
  }
}
