/** One WebSocket to a server: watched for a dead peer, closed once; nothing that it says is lost before somebody listens. */
import { DEAD_PEER_MS, PING_INTERVAL_MS } from "../protocol/limits.ts";
import { SUBPROTOCOL_V2 } from "../protocol/v2/frames.ts";

/** How a connection ended. */
export interface SocketClose {
  code: number;
  reason: string;
}

/** What a connection is told; both are called in order and must not block. */
export interface SocketEvents {
  onText(text: string): void;
  onBytes(bytes: Uint8Array): void;
}

/** A peer that was silent for `deadMs` is given up; it is pinged every `pingMs`, on v2 only while it is silent. */
export interface Liveness {
  pingMs: number;
  deadMs: number;
}

export const LIVENESS_V1: Liveness = { pingMs: PING_INTERVAL_MS, deadMs: DEAD_PEER_MS };
export const LIVENESS_V2: Liveness = { pingMs: 3_000, deadMs: 8_000 };

/** The silence is looked at this often. */
const CHECK_MS = 500;

export class Connection {
  readonly closed: Promise<SocketClose>;
  readonly #socket: WebSocket;
  readonly #resolveClosed: (close: SocketClose) => void;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #liveness: Liveness;
  #heard = performance.now();
  #pingedAt = performance.now();
  #answered = true;
  #rttMs = 0;
  #paused = false;
  #events: SocketEvents | null = null;
  #early: (string | Uint8Array)[] = [];

  /**
   * @param socket still opening
   * @param liveness of rexec.v2; v1 has its own
   */
  constructor(socket: WebSocket, liveness: Liveness = LIVENESS_V2) {
    this.#socket = socket;
    this.#liveness = liveness;
    const { promise, resolve } = Promise.withResolvers<SocketClose>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#timer = setInterval(() => this.#check(), Math.min(CHECK_MS, liveness.pingMs));
    const alive = () => {
      this.#heard = performance.now();
    };
    socket.addEventListener("open", () => this.#opened());
    socket.addEventListener("ping", alive);
    socket.addEventListener("pong", () => this.#ponged());
    socket.addEventListener("close", ({ code, reason }) => this.#end({ code, reason }));
    socket.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      alive();
      if (typeof data === "string") this.#tell(data);
      else if (data instanceof ArrayBuffer) this.#tell(new Uint8Array(data));
    });
  }

  /** The subprotocol that the server chose; empty where it chose none. */
  get protocol(): string {
    return this.#socket.protocol;
  }

  /** Bytes that were sent and have not left this process. */
  get buffered(): number {
    return this.#socket.bufferedAmount;
  }

  /** The shortest round trip so far, ms: later ones stand in line behind what is on its way. 0 while unknown. */
  get rttMs(): number {
    return this.#rttMs;
  }

  /** Who hears it from now on; what came before is told at once. */
  listen(events: SocketEvents): void {
    this.#events = events;
    const early = this.#early;
    this.#early = [];
    for (const data of early) this.#tell(data);
  }

  /** A socket that is closing takes nothing, and says so soon enough. */
  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(data);
  }

  /** Stops reading: the server then waits. */
  pause(): void {
    if (!this.#paused) this.#socket.pause();
    this.#paused = true;
  }

  resume(): void {
    if (this.#paused) this.#socket.resume();
    this.#paused = false;
    this.#heard = performance.now();
  }

  /** Ends it at once. */
  close(): void {
    // Says goodbye, but does not wait for the answer: a peer that is gone gives none.
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.close(1000, "left");
    this.#end({ code: 1000, reason: "left" });
  }

  /** Ends it once what was sent has been taken, or after `limitMs`. */
  async finish(limitMs: number): Promise<void> {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.close(1000);
    const timer = setTimeout(() => this.close(), limitMs);
    await this.closed;
    clearTimeout(timer);
  }

  /** The peer broke the protocol. */
  fail(reason: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.close(1002, reason.slice(0, 100));
    this.#end({ code: 1002, reason });
  }

  // --- internal ---

  #tell(data: string | Uint8Array): void {
    if (!this.#events) this.#early.push(data);
    else if (typeof data === "string") this.#events.onText(data);
    else this.#events.onBytes(data);
  }

  #opened(): void {
    this.#heard = performance.now();
    if (this.#socket.protocol === SUBPROTOCOL_V2) this.#ping();
  }

  #ponged(): void {
    this.#heard = performance.now();
    const took = this.#heard - this.#pingedAt;
    if (!this.#answered) this.#rttMs = Math.min(this.#rttMs || took, took);
    this.#answered = true;
  }

  #check(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const v2 = this.#socket.protocol === SUBPROTOCOL_V2;
    const { pingMs, deadMs } = v2 ? this.#liveness : LIVENESS_V1;
    const now = performance.now();
    if (!this.#paused && now - this.#heard > deadMs) {
      return void this.#end({ code: 1006, reason: "the server fell silent" });
    }
    const due = now - (v2 ? Math.max(this.#heard, this.#pingedAt) : this.#pingedAt) >= pingMs;
    if (due) this.#ping();
  }

  #ping(): void {
    this.#pingedAt = performance.now();
    this.#answered = false;
    // A paused socket hears nothing, and answers no ping: an unasked pong keeps the server from giving up on us.
    if (this.#paused) this.#socket.pong();
    else this.#socket.ping();
  }

  #end(close: SocketClose): void {
    clearInterval(this.#timer);
    this.#socket.terminate();
    this.#resolveClosed(close);
  }
}
