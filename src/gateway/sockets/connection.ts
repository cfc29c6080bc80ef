/** One accepted WebSocket, of an agent or a viewer: written to, watched for life, closed once. */
import type { ServerWebSocket } from "bun";
import type { Received } from "../../lib/tcp-received.ts";
import { Liveness, type LivenessTimes } from "../../link/liveness.ts";
import { CLOSE_FAULT } from "../../protocol/close-codes.ts";
import type { ViewerRights } from "../auth/access.ts";
import type { Principal } from "../auth/principal.ts";
import type { Timings } from "../timings.ts";
import { Intake, type Message } from "./intake.ts";

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
  /** What the viewer may do has changed. */
  onRights?(): void;
  /** Once, at the end by either side. */
  onClose(code: number, reason: string): void;
}

/** By whom a socket was opened. */
export interface ConnectionInfo {
  address: string;
  /** The other end of the TCP connection, which may be a proxy: see `peerName`. */
  peer: string;
  isAgent: boolean;
  /** Bytes of the largest frame that such a peer has a use for. */
  largestFrame: number;
  principal: Principal;
  /** Unix milliseconds. */
  openedAt: number;
  /** Of the credential: Unix milliseconds, or null where it does not expire. */
  expiresAt: number | null;
  /** Of a viewer: the agent that it looks at. */
  agentId: string | null;
  /** Of an agent: its id, where the socket was opened by another user than the agent's owner. */
  connects?: string | undefined;
}

/** A peer that asks for answers is not read while more than this waits for it, bytes; read again below half of it. */
const UNREAD_BYTES = 1024 * 1024;
/** An unfinished frame is cut off within, milliseconds: what is held of it is freed. */
const ABORT_MS = 200;
/** So much in one look is no reason to think that what the kernel counts beyond messages is a frame, bytes. */
const QUIET_BYTES = 64 * 1024;
/** Pings that are answered while something always waits: each pong is one more of those. */
const PINGS_UNREAD = 256;

const NO_RIGHTS: ViewerRights = { watch: false, use: false, exec: false };

type State = "opening" | "open" | "closing" | "closed";

/** Owned by the gateway from the upgrade to the end; its `ConnectionEvents` belong to what the socket is for. */
export class Connection {
  readonly info: ConnectionInfo;
  #rights: ViewerRights = NO_RIGHTS;
  readonly #stopMs: number;
  readonly #deadMs: number;
  readonly #liveness: Liveness;
  readonly #onFault: (error: unknown) => void;
  #events: ConnectionEvents | null = null;
  #ws: ServerWebSocket<SocketData> | null = null;
  #state: State = "opening";
  /** By its owner. */
  #paused = false;
  /** Because it does not read. */
  #awaitsReading = false;
  readonly #intake = new Intake({
    deliver: (message) => this.#deliver(message),
    mayDeliver: () => !this.#awaitsReading,
    onBehind: () => this.#read(),
  });
  /** Whether Bun reads it. */
  #isRead = true;
  #pings = 0;
  #unreadBytes = 0;
  /** Bytes that came as frames, and how many messages they were. */
  #delivered = 0;
  #messages = 0;
  /** Bytes of messages, without their frames. */
  #receivedBytes = 0;
  #sentBytes = 0;
  /** As the kernel counted at the last look; what of it was never part of a message: the handshake, TLS. */
  #seen = { bytes: 0, messages: 0, overhead: 0 };
  #closingSince = 0;

  /** @param onFault told where an owner throws, against the rule: the connection is closed then, and no other hurt */
  constructor(
    info: ConnectionInfo,
    timings: Timings,
    onFault: (error: unknown) => void,
    times: LivenessTimes = { pingMs: timings.pingMs, deadMs: timings.deadPeerMs },
  ) {
    this.info = info;
    this.#onFault = onFault;
    this.#stopMs = timings.stopMs;
    this.#deadMs = times.deadMs;
    this.#liveness = new Liveness(times, timings.tickMs, performance.now());
  }

  /** To be called once, before the upgrade. */
  listen(events: ConnectionEvents): void {
    this.#events = events;
  }

  /** Of a viewer. They change while it is connected: `ViewerCheck` keeps them up to date. */
  get rights(): ViewerRights {
    return this.#rights;
  }

  set rights(rights: ViewerRights) {
    const { watch, use, exec } = this.#rights;
    const isSame = watch === rights.watch && use === rights.use && exec === rights.exec;
    this.#rights = rights;
    if (!isSame && this.#state === "open") this.#guarded(() => this.#events?.onRights?.());
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

  /** Bytes of its messages so far. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Bytes of messages to it so far, those that wait included. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Less waits for it than what makes it one that does not read. */
  get reads(): boolean {
    return this.buffered <= UNREAD_BYTES;
  }

  /** Sends a text frame; what is sent after the end is dropped. Callers bound what they send by `buffered`. */
  send(text: string): void {
    if (this.#state === "open") this.#note(this.#ws?.send(text), text.length);
  }

  /** Sends a binary frame; as `send`. */
  sendBytes(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#state === "open") this.#note(this.#ws?.send(bytes), bytes.length);
  }

  /** Stops reading: TCP then makes the peer wait. A paused peer is not missed for its silence. */
  pause(): void {
    if (this.#paused || this.#state !== "open") return;
    this.#paused = true;
    this.#read();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#liveness.heard(performance.now());
    this.#read();
  }

  /**
   * To be called where an answer was sent, or would have to be, to a peer that does not read: it is not read either
   * until it has taken what waits for it. One that takes nothing is given up as a silent one is.
   */
  pauseUntilRead(): void {
    if (this.#awaitsReading || this.reads || this.#state !== "open") return;
    this.#awaitsReading = true;
    this.#unreadBytes = this.buffered;
    this.#liveness.heard(performance.now());
    this.#read();
  }

  /** Says goodbye; a peer that does not answer is cut off soon. The owner hears of the end at once. */
  close(code: number, reason: string): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#state = "closing";
    this.#closingSince = performance.now();
    this.#intake.clear();
    if (!this.#isRead) this.#ws?.resume(); // or the peer's answer to the close frame would never be read
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
    this.#lookAtUnread(now);
    const todo = this.#liveness.look(now, this.#paused);
    if (todo === "ping") this.#ws?.ping();
    if (todo === "dead") this.terminate(`no sign of life for ${Math.round(this.#deadMs / 1000)} s`);
  }

  /** Bytes of a frame that is not whole yet. @param received as the kernel counts at this moment */
  unfinished(received: Received): number {
    const bytes = received.get(this.info.peer);
    if (bytes === undefined) return 0;
    const rest = bytes - this.#delivered;
    const isQuiet = bytes - this.#seen.bytes < QUIET_BYTES && this.#messages > this.#seen.messages;
    const overhead = isQuiet ? rest : this.#seen.overhead;
    this.#seen = { bytes, messages: this.#messages, overhead };
    return Math.max(0, rest - overhead);
  }

  /** Ends it without waiting for the peer, which is in the middle of a frame. */
  abort(code: number, reason: string): void {
    this.close(code, reason);
    setTimeout(() => this.#ws?.terminate(), ABORT_MS);
  }

  // --- what Bun tells us ---

  opened(ws: ServerWebSocket<SocketData>): void {
    this.#ws = ws;
    this.#state = "open";
    this.#liveness.heard(performance.now());
    this.#guarded(() => this.#events?.onOpen());
  }

  received(message: string | Buffer): void {
    this.alive();
    const bytes = typeof message === "string" ? Buffer.byteLength(message) : message.length;
    this.#messages += 1;
    this.#receivedBytes += bytes;
    this.#count(bytes);
    if (this.#state === "open") this.#intake.push(message);
  }

  /** Bun has answered it by a pong. */
  pinged(bytes: number): void {
    this.ponged(bytes);
    this.#pings = this.buffered === 0 ? 0 : this.#pings + 1;
    if (this.#pings > PINGS_UNREAD) this.terminate(`${PINGS_UNREAD} pings, and it does not read the answers`);
  }

  ponged(bytes: number): void {
    this.alive();
    this.#count(bytes);
  }

  drained(): void {
    this.#pings = 0;
    this.#lookAtUnread(performance.now());
    if (this.#state === "open") this.#guarded(() => this.#events?.onDrain());
  }

  alive(): void {
    this.#liveness.heard(performance.now());
    if (this.#events?.onAlive) this.#guarded(() => this.#events?.onAlive?.());
  }

  closed(code: number, reason: string): void {
    this.#intake.end();
    this.#ended(code, reason);
    this.#state = "closed";
  }

  // --- internal ---

  #told = false;

  /** @param sent what Bun says: the bytes, -1 where they have to wait, 0 where they are dropped */
  #note(sent = 0, length: number): void {
    this.#sentBytes += sent < 0 ? length : sent;
  }

  /** A frame of that much payload: its header and mask have 6, 8 or 14 bytes (RFC 6455 section 5.2). */
  #count(payload: number): void {
    this.#delivered += payload + (payload < 126 ? 6 : payload < 65_536 ? 8 : 14);
  }

  #lookAtUnread(now: number): void {
    if (!this.#awaitsReading) return;
    const { buffered } = this;
    if (buffered < this.#unreadBytes) this.#liveness.heard(now); // it takes something
    this.#unreadBytes = buffered;
    if (buffered > UNREAD_BYTES / 2) return;
    this.#awaitsReading = false;
    this.#liveness.heard(now);
    this.#read();
    this.#intake.run();
  }

  #deliver(message: Message): void {
    if (this.#state !== "open") return;
    // As `#guarded`, without a closure for each message.
    try {
      if (typeof message === "string") this.#events?.onText(message);
      else this.#events?.onBytes(message);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Has Bun read it, or not, as all who have a say in it want. */
  #read(): void {
    const isRead = !this.#paused && !this.#awaitsReading && !this.#intake.isBehind;
    if (isRead === this.#isRead || this.#state !== "open") return;
    this.#isRead = isRead;
    if (isRead) this.#ws?.resume();
    else this.#ws?.pause();
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#onFault(error);
    this.close(CLOSE_FAULT, "the gateway has a problem of its own");
  }

  #ended(code: number, reason: string): void {
    if (this.#told) return;
    this.#told = true;
    if (this.#state === "open" || this.#state === "opening") this.#state = "closed";
    this.#guarded(() => this.#events?.onClose(code, reason));
  }
}
