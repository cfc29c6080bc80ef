/** A scripted viewer that speaks rexec.v2 and folds what it gets into a hash, a count and the last screen. */

import { type OpenerInput, type OwnerMessage, parseOwner } from "../../src/protocol/v2/control.ts";
import { decodeFrame, encodeFrame, type Frame, Stream } from "../../src/protocol/v2/frames.ts";
import { Inlet } from "../../src/stream/inlet.ts";
import { until, within } from "./wait.ts";

type Of<T extends OwnerMessage["type"]> = Extract<OwnerMessage, { type: T }>;

export interface V2ViewerOptions {
  id?: string;
  session?: string;
  create?: boolean;
  cols?: number;
  rows?: number;
  hold?: boolean;
  zstd?: boolean;
  /** Keeps the bytes, for tests that look at them; the hash is always there. Default true. */
  keeps?: boolean;
}

const CHANNEL = 7;

export class V2Viewer {
  readonly id: string;
  readonly session: string;
  /** Of all output in order. */
  readonly hash = new Bun.CryptoHasher("sha256");
  readonly pieces: Uint8Array[] = [];
  /** Bytes of output that came live. */
  received = 0;
  /** As the `screen` messages said, and the GAPs. */
  skipped = 0;
  readonly messages: OwnerMessage[] = [];
  readonly screens: (Of<"screen"> & { data: Buffer })[] = [];
  zstdFrames = 0;
  instance: string | null = null;
  /** Acks nothing while it is set: a terminal that does not parse. */
  stalled = false;
  closes: { code: number; reason: string }[] = [];
  connections = 0;
  #inlet: Inlet | null = null;
  #snapshot: { left: number; pieces: Uint8Array[] } | null = null;
  #ws: WebSocket | null = null;
  readonly #url: () => string;
  readonly #token: string;
  readonly #options: V2ViewerOptions;
  /** All that was typed, from offset 0 on. */
  #typed = Buffer.alloc(0);
  #inputSent = 0;
  #inputLimit = 0;
  inputConsumed = 0;
  #again: Timer | null = null;
  #flush: Timer;
  #disposed = false;

  /** @param url of the agent's viewer socket, without its query */
  constructor(url: () => string, token: string, options: V2ViewerOptions = {}) {
    this.#url = url;
    this.#token = token;
    this.#options = options;
    this.id = options.id ?? crypto.randomUUID();
    this.session = options.session ?? "main";
    this.#flush = setInterval(() => this.ack(), 50);
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString();
  }

  /** Offset of the next byte. */
  get next(): number {
    return this.#inlet?.next ?? 0;
  }

  get isOpen(): boolean {
    return this.#ws?.readyState === WebSocket.OPEN;
  }

  get ws(): WebSocket | null {
    return this.#ws;
  }

  get protocol(): string {
    return this.#ws?.protocol ?? "";
  }

  /** Connects and attaches; resolves when it is attached. */
  async attach(): Promise<this> {
    await until(() => this.#dial(), 20_000, "the viewer to connect");
    await this.hears("attached");
    return this;
  }

  async connect(): Promise<this> {
    await until(() => this.#dial(false), 20_000, "the viewer to connect");
    return this;
  }

  reconnects(afterMs = 20): this {
    this.#again = setInterval(() => {
      if (!this.#disposed && this.#ws === null) void this.#dial();
    }, afterMs);
    return this;
  }

  /** As a lost line does. */
  drop(): void {
    this.#ws?.terminate();
    this.#ws = null;
  }

  send(message: OpenerInput): void {
    if (this.isOpen) this.#ws?.send(JSON.stringify(message));
  }

  frame(frame: Frame): void {
    if (this.isOpen) this.#ws?.send(encodeFrame(frame));
  }

  /** Typed once, whatever happens to the line. */
  type(text: string | Uint8Array): void {
    this.#typed = Buffer.concat([this.#typed, typeof text === "string" ? Buffer.from(text) : text]);
    this.#sendInput();
  }

  get typed(): Buffer {
    return this.#typed;
  }

  detach(): void {
    this.send({ type: "detach", channel: CHANNEL });
  }

  resize(cols: number, rows: number): void {
    this.send({ type: "resize", channel: CHANNEL, cols, rows });
  }

  /** Acks what has come. */
  ack(): void {
    if (this.stalled || !this.#inlet) return;
    const { next } = this.#inlet;
    const ack = this.#inlet.advance(next, performance.now()) ?? this.#inlet.flush();
    if (ack) this.frame({ kind: "ack", stream: Stream.output, channel: CHANNEL, ...ack });
  }

  /** The first message of that type since `from`. */
  async hears<T extends OwnerMessage["type"]>(type: T, from = 0, ms = 10_000): Promise<Of<T>> {
    const isIt = (message: OwnerMessage): message is Of<T> => message.type === type;
    return until(() => this.messages.slice(from).find(isIt) ?? null, ms, `a message ${type}`);
  }

  async sees(text: string, ms = 5_000): Promise<void> {
    await until(
      () => this.text.includes(text) || this.screens.some(({ data }) => data.includes(text)),
      ms,
      `the viewer to see ${JSON.stringify(text)}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    clearInterval(this.#flush);
    if (this.#again) clearInterval(this.#again);
    this.drop();
  }

  // --- internal ---

  async #dial(attaches = true): Promise<boolean> {
    const url = `${this.#url().replace(/^http/, "ws")}?id=${this.id}`;
    const ws = new WebSocket(url, {
      headers: { Authorization: `Bearer ${this.#token}` },
      protocols: ["rexec.v2", "rexec.v1"],
      perMessageDeflate: false,
    });
    this.#ws = ws;
    ws.binaryType = "arraybuffer";
    const { promise, resolve } = Promise.withResolvers<boolean>();
    ws.addEventListener("open", () => {
      this.connections += 1;
      if (attaches) this.#sendAttach();
      resolve(true);
    });
    ws.addEventListener("close", ({ code, reason }) => {
      if (this.connections > 0) this.closes.push({ code, reason });
      resolve(false);
      if (this.#ws === ws) this.#ws = null;
    });
    ws.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (this.#ws !== ws) return;
      if (typeof data === "string") this.#text(data);
      else if (data instanceof ArrayBuffer) this.#bytes(new Uint8Array(data));
    });
    return within(promise, 5_000, "the handshake").catch(() => false);
  }

  #sendAttach(): void {
    const { create = true, hold = true, cols, rows, zstd = false } = this.#options;
    const known = this.instance !== null && this.#inlet !== null;
    // A screen that was cut in the middle is asked for anew.
    const resume = known && !this.#snapshot ? { instance: this.instance ?? "", cursor: this.next } : {};
    this.#snapshot = null;
    this.send({
      type: "attach",
      channel: CHANNEL,
      session: this.session,
      create: create && !known,
      ...(known ? { instance: this.instance ?? "" } : {}),
      ...resume,
      hold,
      zstd,
      viewer: this.id,
      ...(cols && rows ? { cols, rows } : {}),
    });
  }

  #text(text: string): void {
    const parsed = parseOwner(text);
    if (!parsed.ok) throw new Error(`the gateway sent ${parsed.reason}`);
    const message = parsed.value;
    this.messages.push(message);
    if (message.type === "attached" && message.channel === CHANNEL) this.#attached(message);
    if (message.type === "screen") this.#screen(message);
  }

  #attached({ info, starts, input }: Of<"attached">): void {
    if (this.instance !== info.instance) this.#inlet = new Inlet(starts[0]);
    this.instance = info.instance;
    this.#inlet?.forgetTold();
    this.ack();
    this.#inputSent = input;
    this.inputConsumed = Math.max(this.inputConsumed, input);
    this.#inputLimit = Math.max(this.#inputLimit, input + 256 * 1024);
    this.#sendInput();
  }

  #screen(message: Of<"screen">): void {
    this.screens.push({ ...message, data: Buffer.alloc(0) });
    this.skipped += message.skipped;
    this.#inlet ??= new Inlet(message.offset);
    this.#inlet.skip(message.offset, performance.now());
    this.#snapshot = { left: message.bytes, pieces: [] };
    if (message.bytes === 0) this.#screenDone();
  }

  #screenDone(): void {
    const last = this.screens.at(-1);
    if (last) last.data = Buffer.concat(this.#snapshot?.pieces ?? []);
    this.#snapshot = null;
    this.ack();
  }

  #bytes(bytes: Uint8Array): void {
    const decoded = decodeFrame(bytes);
    if (!decoded.ok) throw new Error(`the gateway sent ${decoded.reason}`);
    const { frame } = decoded;
    if (frame.channel !== CHANNEL) this.onFrame(frame);
    else if (frame.kind === "screen") this.#screenPiece(frame.position, frame.bytes);
    else if (frame.kind === "data") this.#output(frame.offset, frame.bytes);
    else if (frame.kind === "zstd") {
      this.zstdFrames += 1;
      this.#output(frame.offset, Bun.zstdDecompressSync(frame.bytes));
    } else if (frame.kind === "ack" && frame.stream === Stream.input) {
      this.inputConsumed = Math.max(this.inputConsumed, frame.consumed);
      this.#inputLimit = Math.max(this.#inputLimit, frame.limit);
      this.#sendInput();
    }
  }

  /** Frames of channels that a test opened by itself. */
  onFrame: (frame: Frame) => void = () => {};

  #screenPiece(position: number, bytes: Uint8Array): void {
    const snapshot = this.#snapshot;
    const had = snapshot?.pieces.reduce((sum, { length }) => sum + length, 0);
    if (!snapshot || position !== had) throw new Error(`a piece of screen at ${position} of ${had}`);
    snapshot.pieces.push(Uint8Array.from(bytes));
    snapshot.left -= bytes.length;
    if (snapshot.left === 0) this.#screenDone();
  }

  #output(offset: number, bytes: Uint8Array): void {
    const fresh = this.#inlet?.accept(offset, bytes);
    if (!fresh) throw new Error(`output jumped from ${this.next} to ${offset}`);
    this.hash.update(fresh);
    this.received += fresh.length;
    if (this.#options.keeps ?? true) this.pieces.push(Uint8Array.from(fresh));
    if (this.stalled || !this.#inlet) return;
    const ack = this.#inlet.advance(this.#inlet.next, performance.now());
    if (ack) this.frame({ kind: "ack", stream: Stream.output, channel: CHANNEL, ...ack });
  }

  #sendInput(): void {
    while (this.isOpen && this.instance !== null) {
      const end = Math.min(this.#typed.length, this.#inputLimit, this.#inputSent + 16 * 1024);
      if (end <= this.#inputSent) return;
      const bytes = this.#typed.subarray(this.#inputSent, end);
      this.frame({ kind: "data", stream: Stream.input, channel: CHANNEL, offset: this.#inputSent, bytes });
      this.#inputSent = end;
    }
  }
}
