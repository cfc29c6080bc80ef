/**
 * The two ends of a WebSocket in memory, for `LinkSocket` and `Line`: with latency, a bounded rate and buffer, and a cut
 * after any number of bytes. Frames arrive whole and in order, or not at all, as over TCP.
 */
import type { WebSocketLike } from "../../src/link/socket.ts";
import type { FakeClock } from "./fake-clock.ts";

/** What the line between the two ends is like. */
export interface PairOptions {
  clock: FakeClock;
  /** One way, ms. */
  latencyMs?: number;
  /** Bytes a ms. */
  rate?: number;
  /** The line breaks without a word once so many bytes were sent, both ways together. */
  cutAfter?: number;
  protocol?: string;
}

const OPEN = 1;
const CLOSED = 3;

/** One end. Owned by its pair. */
export class PairEnd implements WebSocketLike {
  readyState = OPEN;
  readonly protocol: string;
  bufferedAmount = 0;
  /** Told when something that waited was taken. */
  onDrain: (() => void) | null = null;
  peer: PairEnd | null = null;
  readonly #pair: SocketPair;
  readonly #listeners = new Map<string, ((event: Event) => void)[]>();
  #freeAt = 0;

  constructor(pair: SocketPair, protocol: string) {
    this.#pair = pair;
    this.protocol = protocol;
  }

  addEventListener(type: string, listener: (event: Event) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.readyState !== OPEN) return;
    const size = data.length;
    // The sender may use its bytes again.
    const copy = typeof data === "string" ? data : data.slice().buffer;
    const { clock, latencyMs, rate } = this.#pair;
    this.bufferedAmount += size;
    this.#freeAt = Math.max(this.#freeAt, clock.now()) + size / rate;
    clock.after(this.#freeAt - clock.now(), () => {
      if (this.readyState !== OPEN || !this.#pair.carries(size)) return;
      this.bufferedAmount -= size;
      clock.after(latencyMs, () => this.peer?.emit("message", { data: copy }));
      this.onDrain?.();
    });
  }

  close(code = 1000, reason = ""): void {
    if (this.readyState !== OPEN) return;
    this.readyState = CLOSED;
    this.#pair.clock.after(this.#pair.latencyMs, () => this.peer?.closed(code, reason));
    this.#pair.clock.after(0, () => this.emit("close", { code, reason }));
  }

  /** The other end, or the line, has ended it. */
  closed(code: number, reason: string): void {
    if (this.readyState !== OPEN) return;
    this.readyState = CLOSED;
    this.emit("close", { code, reason });
  }

  emit(type: string, fields: object): void {
    if (type === "message" && this.readyState !== OPEN) return;
    for (const listener of this.#listeners.get(type) ?? []) listener(Object.assign(new Event(type), fields));
  }
}

export class SocketPair {
  readonly clock: FakeClock;
  readonly latencyMs: number;
  readonly rate: number;
  readonly a: PairEnd;
  readonly b: PairEnd;
  #left: number;

  constructor({
    clock,
    latencyMs = 1,
    rate = 10_000,
    cutAfter = Number.POSITIVE_INFINITY,
    protocol = "rexec.v2",
  }: PairOptions) {
    this.clock = clock;
    this.latencyMs = latencyMs;
    this.rate = rate;
    this.#left = cutAfter;
    this.a = new PairEnd(this, protocol);
    this.b = new PairEnd(this, protocol);
    this.a.peer = this.b;
    this.b.peer = this.a;
    clock.after(0, () => {
      this.a.emit("open", {});
      this.b.emit("open", {});
    });
  }

  /** Whether the line still carries so many bytes: a frame that it breaks in is lost. */
  carries(bytes: number): boolean {
    this.#left -= bytes;
    if (this.#left > 0) return true;
    this.a.closed(1006, "");
    this.b.closed(1006, "");
    return false;
  }
}
