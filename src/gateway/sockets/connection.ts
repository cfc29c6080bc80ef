/** One accepted WebSocket, whoever is at its other end: written to, watched for life, closed once. */
import type { ServerWebSocket } from "bun";
import type { Timings } from "../timings.ts";

/** What Bun keeps with each socket. */
export interface SocketData {
  connection: Connection;
}

/** What the owner of a connection is told, in order; none may throw or wait. */
export interface ConnectionEvents {
  onOpen(): void;
  onText(text: string): void;
  onBytes(bytes: Uint8Array): void;
  /** The socket took (some of) what was waiting. */
  onDrain(): void;
  /** Any sign of life, a pong for example. */
  onAlive?(): void;
  /** Once, whoever ended it. */
  onClose(code: number, reason: string): void;
}

/** By whom a socket was opened. */
export interface ConnectionInfo {
  address: string;
  tokenId: string;
  userId: string;
  userName: string;
  /** Unix milliseconds. */
  openedAt: number;
  /** Unix milliseconds, or null for a token that does not expire. */
  tokenExpiresAt: number | null;
}

/** How soon silence is noticed, milliseconds. */
export interface Liveness {
  pingMs: number;
  deadMs: number;
  /** Pings only who has been silent for `pingMs`, instead of everybody every `pingMs`. */
  onlySilent: boolean;
}

type State = "opening" | "open" | "closing" | "closed";

export class Connection {
  readonly info: ConnectionInfo;
  readonly #stopMs: number;
  readonly #liveness: Liveness;
  #events: ConnectionEvents | null = null;
  #ws: ServerWebSocket<SocketData> | null = null;
  #state: State = "opening";
  #paused = false;
  #heardAt = performance.now();
  #pingedAt = performance.now();
  #closingSince = 0;

  constructor(info: ConnectionInfo, timings: Timings, liveness: Liveness = livenessOf(timings)) {
    this.info = info;
    this.#stopMs = timings.stopMs;
    this.#liveness = liveness;
  }

  /** To be called once, before the upgrade. */
  listen(events: ConnectionEvents): void {
    this.#events = events;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Bytes that were sent and that the kernel has not taken yet. */
  get buffered(): number {
    return this.#state === "open" ? (this.#ws?.getBufferedAmount() ?? 0) : 0;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** Sends a text frame; what is sent after the end is nobody's. Callers bound what they send by `buffered`. */
  send(text: string): void {
    if (this.#state === "open") this.#ws?.send(text);
  }

  /** Sends a binary frame; as `send`. */
  sendBytes(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#state === "open") this.#ws?.send(bytes);
  }

  /** Stops reading: TCP then makes the peer wait. A paused peer is not missed for its silence. */
  pause(): void {
    if (this.#paused || this.#state !== "open") return;
    this.#paused = true;
    this.#ws?.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#heardAt = performance.now();
    if (this.#state === "open") this.#ws?.resume();
  }

  /** Says goodbye; a peer that does not answer is cut off soon. The owner hears of the end at once. */
  close(code: number, reason: string): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#state = "closing";
    this.#closingSince = performance.now();
    if (this.#paused) this.#ws?.resume(); // or the peer's answer to the close frame would never be read
    this.#ws?.close(code, reason);
    this.#ended(code, reason);
  }

  /** Cuts it off without a word. */
  terminate(reason: string): void {
    this.#ended(1006, reason);
    this.#ws?.terminate();
  }

  /** To be called every `tickMs`: pings, gives up on the dead, cuts off those that do not close. */
  tick(now: number): void {
    if (this.#state === "closing" && now - this.#closingSince > this.#stopMs) this.#ws?.terminate();
    if (this.#state !== "open") return;
    const { pingMs, deadMs, onlySilent } = this.#liveness;
    if (!this.#paused && now - this.#heardAt > deadMs) {
      this.terminate(`no sign of life for ${Math.round(deadMs / 1000)} s`);
      return;
    }
    if (onlySilent && now - this.#heardAt < pingMs) return;
    if (now - this.#pingedAt < pingMs) return;
    this.#pingedAt = now;
    this.#ws?.ping();
  }

  // --- what Bun tells us ---

  opened(ws: ServerWebSocket<SocketData>): void {
    this.#ws = ws;
    this.#state = "open";
    this.#heardAt = performance.now();
    this.#events?.onOpen();
  }

  received(message: string | Buffer): void {
    this.alive();
    if (this.#state !== "open") return;
    if (typeof message === "string") this.#events?.onText(message);
    else this.#events?.onBytes(message);
  }

  drained(): void {
    if (this.#state === "open") this.#events?.onDrain();
  }

  alive(): void {
    this.#heardAt = performance.now();
    this.#events?.onAlive?.();
  }

  closed(code: number, reason: string): void {
    this.#ended(code, reason);
    this.#state = "closed";
  }

  #told = false;

  #ended(code: number, reason: string): void {
    if (this.#told) return;
    this.#told = true;
    if (this.#state === "open" || this.#state === "opening") this.#state = "closed";
    this.#events?.onClose(code, reason);
  }
}

// --- internal ---

function livenessOf({ pingMs, deadPeerMs }: Timings): Liveness {
  return { pingMs, deadMs: deadPeerMs, onlySilent: false };
}
