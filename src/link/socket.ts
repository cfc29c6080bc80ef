/**
 * One WebSocket to a server, from its opening to its end: watched for a dead peer, closed once, and nothing that the
 * server says is lost before there is a reader. Bun's WebSocket and a browser's will do.
 */
import { CLOSE_PROTOCOL } from "../protocol/close-codes.ts";
import { DEAD_PEER_MS, PING_INTERVAL_MS } from "../protocol/limits.ts";
import { SUBPROTOCOL_V2 } from "../protocol/v2/frames.ts";
import { type LivenessTimes, LivenessWatch } from "./liveness.ts";

/** What is needed of a WebSocket. Where it can't ping (a browser's), its runtime notices a dead peer. */
export interface WebSocketLike {
  readonly readyState: number;
  readonly protocol: string;
  readonly bufferedAmount: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: Event) => void): void;
  ping?(data?: string): void;
  pong?(): void;
  pause?(): void;
  resume?(): void;
  terminate?(): void;
}

/** How a connection ended: as the server closed it, or a code of RFC 6455 and the reason that it was given here. */
export interface SocketClose {
  code: number;
  reason: string;
  /** We gave it up, for this reason; the server said nothing. */
  isDropped?: boolean;
}

/** The reader of a connection. Called in order; must not block. */
export interface SocketEvents {
  onText(text: string): void;
  /** The bytes are the socket's, gone when this returns. */
  onBytes(bytes: Uint8Array): void;
  /** The answer to a ping with a text in it. */
  onPong?(text: string): void;
}

/** By the protocol that the server chose. */
export interface SocketTimes {
  v1: LivenessTimes;
  v2: LivenessTimes;
}

export const LIVENESS_V1: LivenessTimes = { pingMs: PING_INTERVAL_MS, deadMs: DEAD_PEER_MS };
/** On a server of rexec.v2, where resuming costs nothing. */
export const LIVENESS_V2: LivenessTimes = { pingMs: 3_000, deadMs: 8_000 };

/** What comes before there is a reader: more, and the socket is not read until there is one, bytes. */
const EARLY_BYTES = 1024 * 1024;

const OPEN = 1;

/** Owned by the code that dialled; ends with the connection. */
export class LinkSocket {
  /** Resolves once it is open; never, where it ends before. */
  readonly opened: Promise<void>;
  /** Resolves once, at its end. Never rejects. */
  readonly closed: Promise<SocketClose>;
  readonly #socket: WebSocketLike;
  readonly #times: SocketTimes;
  readonly #resolveClosed: (close: SocketClose) => void;
  #liveness: LivenessWatch | null = null;
  #answered = true;
  #rttMs = 0;
  #paused = false;
  #events: SocketEvents | null = null;
  #early: (string | Uint8Array)[] = [];
  #earlyBytes = 0;

  /** @param socket still opening, with `binaryType` "arraybuffer" */
  constructor(socket: WebSocketLike, { v1 = LIVENESS_V1, v2 = LIVENESS_V2 }: Partial<SocketTimes> = {}) {
    this.#socket = socket;
    this.#times = { v1, v2 };
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<SocketClose>();
    this.opened = opened.promise;
    this.closed = closed.promise;
    this.#resolveClosed = closed.resolve;
    socket.addEventListener("open", () => {
      this.#watch();
      opened.resolve();
    });
    socket.addEventListener("ping", () => this.#liveness?.heard());
    socket.addEventListener("pong", (event) => this.#ponged(dataOf(event)));
    socket.addEventListener("close", (event) => this.#end(closeOf(event)));
    socket.addEventListener("message", (event) => {
      const data = dataOf(event);
      this.#liveness?.heard();
      if (typeof data === "string") this.#tell(data);
      else if (data instanceof ArrayBuffer) this.#tell(new Uint8Array(data));
    });
  }

  /** The subprotocol that the server chose; empty where it chose none. */
  get protocol(): string {
    return this.#socket.protocol;
  }

  get speaksV2(): boolean {
    return this.#socket.protocol === SUBPROTOCOL_V2;
  }

  /** Bytes that were sent and have not left this process. */
  get buffered(): number {
    return this.#socket.bufferedAmount;
  }

  /** The shortest round trip so far, ms: later ones stand in line behind what is on its way. 0 while unknown. */
  get rttMs(): number {
    return this.#rttMs;
  }

  /** Its reader from now on; what came before is told at once. */
  listen(events: SocketEvents): void {
    this.#events = events;
    const early = this.#early;
    this.#early = [];
    for (const data of early) this.#tell(data);
    if (this.#earlyBytes > EARLY_BYTES && !this.#paused) this.#socket.resume?.();
    this.#earlyBytes = 0;
    this.#liveness?.heard(); // what it said meanwhile may not be read yet
  }

  /** A socket that is closing takes nothing, and says so soon enough. */
  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.#isOpen) this.#socket.send(data);
  }

  /** A ping with a text in it, whose answer the reader is told of. */
  ping(text: string): void {
    if (this.#isOpen) this.#socket.ping?.(text);
  }

  /** Stops reading: the server then waits. */
  pause(): void {
    if (!this.#paused) this.#socket.pause?.();
    this.#paused = true;
  }

  resume(): void {
    if (this.#paused) this.#socket.resume?.();
    this.#paused = false;
    this.#liveness?.heard();
  }

  /** Ends it at once. */
  close(): void {
    // Says goodbye, but does not wait for the answer: a peer that is gone gives none.
    if (this.#isOpen) this.#socket.close(1000, "left");
    this.#end({ code: 1000, reason: "left" });
  }

  /** Ends it once the server has answered our close, or after `limitMs`. */
  async finish(limitMs: number, code = 1000, reason = ""): Promise<void> {
    if (this.#isOpen) this.#socket.close(code, reason);
    const timer = setTimeout(() => this.drop("the server did not answer our close"), limitMs);
    await this.closed;
    clearTimeout(timer);
  }

  /** The peer broke the protocol. */
  fail(reason: string, code = CLOSE_PROTOCOL): void {
    if (this.#isOpen) this.#socket.close(code, reason.slice(0, 100));
    this.#end({ code, reason });
  }

  /** Cuts it off without a word. */
  drop(reason: string): void {
    this.#end({ code: 1006, reason, isDropped: true });
  }

  // --- internal ---

  /** By its owner, or because it has no reader. */
  get #isPaused(): boolean {
    return this.#paused || this.#earlyBytes > EARLY_BYTES;
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === OPEN;
  }

  #tell(data: string | Uint8Array): void {
    if (!this.#events) this.#keep(data);
    else if (typeof data === "string") this.#events.onText(data);
    else this.#events.onBytes(data);
  }

  #keep(data: string | Uint8Array): void {
    this.#early.push(data);
    this.#earlyBytes += data.length;
    if (this.#earlyBytes <= EARLY_BYTES) return;
    if (this.#socket.pause) this.#socket.pause();
    else this.fail("more than there is a reader for");
  }

  #watch(): void {
    if (!this.#socket.ping) return;
    const { speaksV2 } = this;
    this.#liveness = new LivenessWatch(speaksV2 ? this.#times.v2 : this.#times.v1, {
      ping: () => this.#ping(),
      dead: (ms) => this.drop(`the server said nothing for ${Math.round(ms / 1000)} s`),
      isPaused: () => this.#isPaused,
    });
    if (!speaksV2) return;
    this.#liveness.pinged();
    this.#ping();
  }

  #ponged(data: unknown): void {
    this.#liveness?.heard();
    if (data instanceof ArrayBuffer && data.byteLength > 0) {
      this.#events?.onPong?.(new TextDecoder().decode(data));
      return;
    }
    const took = performance.now() - (this.#liveness?.pingedAt ?? 0);
    if (!this.#answered) this.#rttMs = Math.min(this.#rttMs || took, took);
    this.#answered = true;
  }

  #ping(): void {
    this.#answered = false;
    // A paused socket hears nothing, and answers no ping: an unasked pong keeps the server from giving up on us.
    if (this.#isPaused) this.#socket.pong?.();
    else this.#socket.ping?.();
  }

  #end(close: SocketClose): void {
    this.#liveness?.stop();
    if (this.#socket.terminate) this.#socket.terminate();
    else if (this.#socket.readyState <= OPEN) this.#socket.close();
    this.#resolveClosed(close);
  }
}

// --- internal ---

function dataOf(event: Event): unknown {
  return "data" in event ? event.data : undefined;
}

function closeOf(event: Event): SocketClose {
  const code = "code" in event && typeof event.code === "number" ? event.code : 1006;
  return { code, reason: "reason" in event && typeof event.reason === "string" ? event.reason : "" };
}
