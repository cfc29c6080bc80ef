/**
 * A scripted gateway that speaks rexec.v2 to a real agent: it opens channels, grants what a test tells it to, and
 * can cut the connection at any time. What a session printed is kept by its instance, as a mirror keeps it.
 */
import type { Server, ServerWebSocket } from "bun";
import { type OpenerInput, type OwnerMessage, parseOwner } from "../../src/protocol/v2/control.ts";
import { decodeFrame, encodeFrame, type Frame, Stream } from "../../src/protocol/v2/frames.ts";
import { Inlet } from "../../src/stream/inlet.ts";
import { until } from "./wait.ts";

type Socket = ServerWebSocket<object>;
type Attached = Extract<OwnerMessage, { type: "attached" }>;
type Ended = Extract<OwnerMessage, { type: "ended" }>;
type Refused = Extract<OwnerMessage, { type: "refused" }>;

/** One direction of output, checked: in order, each byte once. */
export class Taken {
  inlet: Inlet;
  readonly hash = new Bun.CryptoHasher("sha256");
  readonly gaps: { from: number; to: number }[] = [];
  text = "";
  bytes = 0;
  fin: number | null = null;
  /** Frames that came compressed, and what all frames carried as they came. */
  packed = 0;
  carried = 0;
  /** Keeps the text too. */
  keeps = true;

  constructor(start = 0) {
    this.inlet = new Inlet(start);
  }

  get next(): number {
    return this.inlet.next;
  }
}

export class Channel {
  readonly number: number;
  readonly outputs: Record<number, Taken>;
  attached: Attached | null = null;
  ended: Ended | null = null;
  refused: Refused | null = null;
  /** Acks what comes at once, with a growing window. */
  acks = true;
  /** How far input was applied. */
  applied = 0;
  inputLimit = 0;

  constructor(number: number, outputs: Record<number, Taken>) {
    this.number = number;
    this.outputs = outputs;
  }

  get out(): Taken {
    return this.outputs[Stream.output] ?? new Taken();
  }
}

export class V2Opener {
  readonly token = `rexec_${"ab".repeat(32)}`;
  readonly agentId = "11111111-2222-3333-4444-555555555555";
  readonly heard: { type: string; [field: string]: unknown }[] = [];
  closed: { code: number; reason: string }[] = [];
  connections = 0;
  socket: Socket | null = null;
  #channels = new Map<number, Channel>();
  #next = 1;
  readonly #server: Server<object>;

  constructor() {
    this.#server = Bun.serve<object>({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, server) => {
        const headers = { "Sec-WebSocket-Protocol": "rexec.v2" };
        return server.upgrade(request, { data: {}, headers }) ? undefined : new Response("", { status: 404 });
      },
      websocket: {
        perMessageDeflate: false,
        sendPings: false,
        idleTimeout: 0,
        backpressureLimit: 512 * 1024 * 1024,
        open: (socket) => {
          this.connections += 1;
          this.#channels.clear();
          this.socket = socket;
        },
        message: (socket, data) => {
          if (socket !== this.socket) return;
          if (typeof data === "string") this.#text(data);
          else this.#bytes(data);
        },
        close: (socket, code, reason) => {
          this.closed.push({ code, reason });
          if (this.socket === socket) this.socket = null;
        },
      },
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  connected(): Promise<true> {
    return until(() => this.socket !== null, 10_000, "the agent");
  }

  control(message: OpenerInput | { type: string; data?: unknown }): void {
    this.socket?.send(JSON.stringify(message));
  }

  frame(frame: Frame): void {
    this.socket?.send(encodeFrame(frame));
  }

  /** @param taken goes on where that ended */
  attach(session: string, more: object = {}, taken = new Taken()): Channel {
    const channel = this.#open({ [Stream.output]: taken });
    this.control({ type: "attach", channel: channel.number, session, viewer: "gateway", ...more });
    return channel;
  }

  run(run: string, command: string, more: object = {}, outputs = [new Taken(), new Taken()]): Channel {
    const [out = new Taken(), err = new Taken()] = outputs;
    const channel = this.#open({ [Stream.output]: out, [Stream.stderr]: err });
    const cursors = [out.next, err.next];
    this.control({ type: "run", channel: channel.number, run, command, cursors, ...more } as OpenerInput);
    return channel;
  }

  ack(channel: Channel, consumed: number, limit: number, stream: Stream = Stream.output): void {
    this.frame({ kind: "ack", stream, channel: channel.number, consumed, limit });
  }

  type(channel: Channel, offset: number, bytes: Uint8Array | string): void {
    const data = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    this.frame({ kind: "data", stream: Stream.input, channel: channel.number, offset, bytes: data });
  }

  answered(channel: Channel): Promise<Attached> {
    return until(() => channel.attached, 5_000, `attached of channel ${channel.number}`);
  }

  printed(channel: Channel, text: string | RegExp, ms = 10_000): Promise<true> {
    const { out } = channel;
    const has = () => (typeof text === "string" ? out.text.includes(text) : text.test(out.text));
    return until(has, ms, () => `${text}; there is ${JSON.stringify(out.text.slice(-300))}`);
  }

  cut(): void {
    this.socket?.terminate();
    this.socket = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }

  // --- internal ---

  #open(outputs: Record<number, Taken>): Channel {
    const channel = new Channel(this.#next, outputs);
    this.#next += 1;
    this.#channels.set(channel.number, channel);
    return channel;
  }

  #text(text: string): void {
    this.heard.push(JSON.parse(text));
    const parsed = parseOwner(text);
    if (!parsed.ok || !("channel" in parsed.value)) return;
    const message = parsed.value;
    const channel = this.#channels.get(message.channel ?? -1);
    if (!channel) return;
    if (message.type === "attached") this.#attached(channel, message);
    else if (message.type === "ended") channel.ended = message;
    else if (message.type === "refused") channel.refused = message;
  }

  #attached(channel: Channel, message: Attached): void {
    channel.attached = message;
    channel.applied = message.input;
    for (const [stream, taken] of Object.entries(channel.outputs)) {
      const start = message.starts[stream === String(Stream.output) ? 0 : 1];
      // A mirror that is new begins where the agent does; one that goes on waits for the GAP.
      if (taken.next === 0 && start > 0) taken.inlet = new Inlet(start);
      else taken.inlet.forgetTold();
      taken.inlet.advance(taken.next, performance.now());
      if (channel.acks) this.#flush(channel, Number(stream), taken);
    }
  }

  #bytes(bytes: Uint8Array): void {
    const decoded = decodeFrame(bytes);
    if (!decoded.ok) throw new Error(decoded.reason);
    const { frame } = decoded;
    const channel = this.#channels.get(frame.channel);
    if (!channel) return;
    if (frame.kind === "ack") {
      channel.applied = Math.max(channel.applied, frame.consumed);
      channel.inputLimit = Math.max(channel.inputLimit, frame.limit);
      return;
    }
    const taken = channel.outputs[frame.stream];
    if (!taken) throw new Error(`a frame of stream ${frame.stream}`);
    if (frame.kind === "fin") taken.fin = frame.offset;
    if (frame.kind === "gap") {
      taken.gaps.push({ from: frame.from, to: frame.to });
      taken.inlet.skip(frame.to, performance.now());
      if (channel.acks) this.#flush(channel, frame.stream, taken);
    }
    if (frame.kind !== "data" && frame.kind !== "zstd") return;
    if (frame.offset !== taken.next) throw new Error(`data at ${frame.offset}, where ${taken.next} is next`);
    const plain = frame.kind === "zstd" ? Bun.zstdDecompressSync(frame.bytes) : frame.bytes;
    if (frame.kind === "zstd" && plain.length !== frame.length) throw new Error(`${plain.length} bytes`);
    if (frame.kind === "zstd") taken.packed += 1;
    taken.carried += frame.bytes.length;
    taken.inlet.accept(frame.offset, plain);
    taken.hash.update(plain);
    taken.bytes += plain.length;
    if (taken.keeps) taken.text += Buffer.from(plain).toString("latin1");
    if (!channel.acks) return;
    if (taken.inlet.advance(taken.next, performance.now())) this.#flush(channel, frame.stream, taken);
    else setTimeout(() => this.#flush(channel, frame.stream, taken), 5);
  }

  #flush(channel: Channel, stream: number, taken: Taken): void {
    const { consumed, limit } = taken.inlet;
    if (this.#channels.get(channel.number) === channel)
      this.ack(channel, consumed, limit, stream === Stream.stderr ? Stream.stderr : Stream.output);
  }
}
