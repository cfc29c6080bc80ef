/** One WebSocket to a server: watched for a dead peer, closed once; nothing that it says is lost before somebody listens. */

import { type LivenessTimes, LivenessWatch } from "../link/liveness.ts";
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

const LIVENESS_V1: LivenessTimes = { pingMs: PING_INTERVAL_MS, deadMs: DEAD_PEER_MS };
/** On a server of rexec.v2, where resuming costs nothing. */
export const LIVENESS_V2: LivenessTimes = { pingMs: 3_000, deadMs: 8_000 };

export class Connection {
  readonly closed: Promise<SocketClose>;
  readonly #socket: WebSocket;
  readonly #resolveClosed: (close: SocketClose) => void;
  readonly #times: LivenessTimes;
  #liveness: LivenessWatch | null = null;
  #answered = true;
  #rttMs = 0;
  #paused = false;
  #events: SocketEvents | null = null;
  #early: (string | Uint8Array)[] = [];

  /**
   * @param socket still opening
   * @param times of rexec.v2; v1 has its own
   */
  constructor(socket: WebSocket, times: LivenessTimes = LIVENESS_V2) {
    this.#socket = socket;
    this.#times = times;
    const { promise, resolve } = Promise.withResolvers<SocketClose>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    const alive = () => this.#liveness?.heard();
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
    this.#liveness?.heard();
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
    const isV2 = this.#socket.protocol === SUBPROTOCOL_V2;
    this.#liveness = new LivenessWatch(isV2 ? { ...this.#times, onlySilent: true } : LIVENESS_V1, {
      ping: () => this.#ping(),
      dead: () => this.#end({ code: 1006, reason: "the server fell silent" }),
      isPaused: () => this.#paused,
    });
    if (!isV2) return;
    this.#liveness.pinged();
    this.#ping();
  }

  #ponged(): void {
    this.#liveness?.heard();
    const took = performance.now() - (this.#liveness?.pingedAt ?? 0);
    if (!this.#answered) this.#rttMs = Math.min(this.#rttMs || took, took);
    this.#answered = true;
  }

  #ping(): void {
    this.#answered = false;
    // A paused socket hears nothing, and answers no ping: an unasked pong keeps the server from giving up on us.
    if (this.#paused) this.#socket.pong();
    else this.#socket.ping();
  }

  #end(close: SocketClose): void {
    this.#liveness?.stop();
    this.#socket.terminate();
    this.#resolveClosed(close);
  }
}
