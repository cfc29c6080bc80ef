/**
 * A scripted agent that speaks rexec.v2: shells without a PTY, whose output a test writes and whose input it reads.
 * It keeps its sessions over any number of connections, as a real one does: `reconnect` makes the next one.
 */

import {
  type OpenerMessage,
  type OwnerInput,
  parseOpener,
  type SessionInfo,
} from "../../src/protocol/v2/control.ts";
import { decodeFrame, encodeFrame, type Frame, Stream } from "../../src/protocol/v2/frames.ts";
import { ByteRing } from "../../src/stream/byte-ring.ts";
import { StreamCursor, StreamReceiver } from "../../src/stream/stream.ts";
import { until, within } from "./wait.ts";

type Attach = Extract<OpenerMessage, { type: "attach" }>;
type Run = Extract<OpenerMessage, { type: "run" }>;

/** One attachment on one connection. */
interface Channel {
  number: number;
  session: V2Shell;
  viewer: string;
  cursor: StreamCursor | null;
  hold: boolean;
  told: boolean;
}

export class V2Shell {
  readonly instance = crypto.randomUUID();
  readonly ring: ByteRing;
  readonly sizes: { cols: number; rows: number }[] = [];
  /** Input of all viewers in the order in which it was applied. */
  readonly input: Uint8Array[] = [];
  /** Columns that each piece of it found. */
  readonly colsAtInput: number[] = [];
  /** How far each viewer's input was applied. */
  readonly applied = new Map<string, StreamReceiver>();
  /** Held back where a test does not want input to be applied. */
  appliesInput = true;
  end: { exit_code: number | null; signal: string | null } | null = null;
  cols = 120;
  rows = 30;
  readonly name: string;

  constructor(name: string, ringBytes: number) {
    this.name = name;
    this.ring = new ByteRing(ringBytes);
  }

  get info(): SessionInfo {
    return {
      session: this.name,
      instance: this.instance,
      kind: "shell",
      command: "/bin/sh",
      started_at: 1,
      last_output_at: this.ring.end > 0 ? 2 : null,
      ended_at: this.end ? 3 : null,
      exit_code: this.end?.exit_code ?? null,
      signal: this.end?.signal ?? null,
      bytes: this.ring.end,
      cols: this.cols,
      rows: this.rows,
      viewers: 0,
    };
  }

  get typed(): Buffer {
    return Buffer.concat(this.input);
  }
}

/** What a test does with a command: it gets the frames of its channel and answers them. */
export interface V2Command {
  run: Run;
  channel: number;
  frames: Frame[];
  controls: OpenerMessage[];
}

export interface V2AgentOptions {
  ringBytes?: number;
  /** Most bytes that wait in the socket. */
  highBytes?: number;
  /** Output that leaves in 2 ms: a slow line. Default: no limit. */
  bytesPerTick?: number;
  /** Compresses all output. */
  packs?: boolean;
}

export class V2Agent {
  readonly shells = new Map<string, V2Shell>();
  readonly commands: V2Command[] = [];
  /** Every control message and text of this agent's life, in order. */
  readonly heard: { type: string; [field: string]: unknown }[] = [];
  readonly acks: { session: string; consumed: number; limit: number }[] = [];
  /** Told of a command, and of every frame and message of its channel. */
  onCommand: (command: V2Command) => void = () => {};
  /** Told of a session before it is attached to. */
  onAttach: (shell: V2Shell) => void = () => {};
  #ws: WebSocket | null = null;
  /** Output that may leave in this tick. */
  #mayLeave = Infinity;
  #channels = new Map<number, Channel>();
  readonly #ended = new Map<string, V2Shell>();
  readonly #url: () => string;
  readonly #token: string;
  readonly #options: Required<V2AgentOptions>;
  #again: Timer | null = null;
  #disposed = false;
  connections = 0;
  readonly closes: { code: number; reason: string }[] = [];
  /** Bytes of output that went over the wire. */
  dataBytes = 0;

  /** @param url asked before each connection: a gateway that restarted may have another */
  constructor(url: () => string, token: string, options: V2AgentOptions = {}) {
    this.#url = url;
    this.#token = token;
    this.#options = {
      ringBytes: 2 * 1024 * 1024,
      highBytes: 256 * 1024,
      bytesPerTick: Infinity,
      packs: false,
      ...options,
    };
  }

  get isOpen(): boolean {
    return this.#ws?.readyState === WebSocket.OPEN;
  }

  get protocol(): string {
    return this.#ws?.protocol ?? "";
  }

  get buffered(): number {
    return this.#ws?.bufferedAmount ?? 0;
  }

  /** Dials until it is connected. */
  async connect(): Promise<this> {
    await until(() => this.#dial(), 20_000, "the agent to connect");
    return this;
  }

  /** Dials again by itself, as often as it takes. */
  reconnects(afterMs = 20): this {
    this.#again = setInterval(() => {
      if (!this.#disposed && this.#ws === null) void this.#dial();
    }, afterMs);
    return this;
  }

  drop(): void {
    this.#ws?.terminate();
    this.#ws = null;
    this.#channels.clear();
  }

  /** Reads nothing any more and answers no ping: a line that is dead without anybody being told. */
  pause(): void {
    this.#ws?.pause();
  }

  shell(name: string): V2Shell {
    const known = this.shells.get(name);
    if (known) return known;
    const shell = new V2Shell(name, this.#options.ringBytes);
    this.shells.set(name, shell);
    return shell;
  }

  /** What a program writes: no faster than the readers let it. Resolves when it is in the ring. */
  async write(name: string, bytes: Uint8Array | string): Promise<void> {
    const shell = this.shell(name);
    const all = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    for (let at = 0; at < all.length; ) {
      const room = this.room(shell);
      if (room <= 0) {
        await Bun.sleep(1);
        continue;
      }
      const piece = all.subarray(at, at + Math.min(room, 64 * 1024));
      shell.ring.append(piece);
      at += piece.length;
      this.pump();
      while (this.buffered > this.#options.highBytes) await Bun.sleep(1);
    }
  }

  /** How much the readers that hold would take now; all there is where nobody holds. */
  room(shell: V2Shell): number {
    const readers = [...this.#channels.values()].filter(({ session, cursor }) => session === shell && cursor);
    const holding = readers.filter(({ hold }) => hold);
    if (holding.length === 0) return this.held.has(shell.name) ? 0 : Number.MAX_SAFE_INTEGER;
    return Math.max(...holding.map(({ cursor }) => (cursor?.limit ?? 0) - shell.ring.end));
  }

  /** Sessions whose program waits while nobody is attached (the hold time). */
  readonly held = new Set<string>();

  end(name: string, exit_code: number): void {
    const shell = this.shell(name);
    shell.end = { exit_code, signal: null };
    this.#ended.set(shell.instance, shell);
    this.shells.delete(name);
    this.pump();
  }

  /** Attachments on this connection, of both kinds. */
  get channelCount(): number {
    return this.#channels.size;
  }

  /** Channels of a session that have output. */
  readers(name: string): { hold: boolean; limit: number; consumed: number; sent: number }[] {
    return [...this.#channels.values()].flatMap(({ session, cursor, hold }) =>
      session.name === name && cursor
        ? [{ hold, limit: cursor.limit, consumed: cursor.consumed, sent: cursor.sent }]
        : [],
    );
  }

  send(message: OwnerInput | { type: `shell_${string}`; data: object }): void {
    if (this.isOpen) this.#ws?.send(JSON.stringify(message));
  }

  frame(frame: Frame): void {
    if (this.isOpen) this.#ws?.send(encodeFrame(frame));
  }

  /** As it is. */
  raw(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.isOpen) this.#ws?.send(bytes);
  }

  /** Numbers of a session's channels that have output. */
  outputChannels(name: string): number[] {
    const channels = [...this.#channels.values()];
    return channels
      .filter(({ session, cursor }) => session.name === name && cursor)
      .map(({ number }) => number);
  }

  /** A control message that matches, heard or to come. */
  async hears(matches: (message: { type: string; [field: string]: unknown }) => boolean, what: string) {
    return until(() => this.heard.find(matches) ?? null, 5_000, what);
  }

  /** Sends what may be sent. */
  pump(): void {
    for (const channel of this.#channels.values()) {
      const { cursor, session, number } = channel;
      while (cursor && this.isOpen && this.buffered <= this.#options.highBytes && this.#mayLeave > 0) {
        const piece = cursor.next(Math.min(64 * 1024, this.#mayLeave));
        if (!piece) break;
        if (piece.kind === "gap")
          this.frame({ kind: "gap", stream: Stream.output, channel: number, from: piece.from, to: piece.to });
        else {
          this.dataBytes += piece.bytes.length;
          this.#mayLeave -= piece.bytes.length;
          const { offset, bytes } = piece;
          const head = { stream: Stream.output, channel: number, offset };
          if (this.#options.packs)
            this.frame({ ...head, kind: "zstd", length: bytes.length, bytes: Bun.zstdCompressSync(bytes) });
          else this.frame({ ...head, kind: "data", bytes });
        }
      }
      if (cursor && session.end && cursor.sent >= session.ring.end && !channel.told) {
        channel.told = true;
        this.frame({ kind: "fin", stream: Stream.output, channel: number, offset: session.ring.end });
        this.send({ type: "ended", channel: number, ...session.end });
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    if (this.#again) clearInterval(this.#again);
    this.drop();
  }

  // --- internal ---

  async #dial(): Promise<boolean> {
    const ws = new WebSocket(this.#url().replace(/^http/, "ws"), {
      headers: { Authorization: `Bearer ${this.#token}` },
      protocols: ["rexec.v2", "rexec.v1"],
      perMessageDeflate: false,
    });
    this.#ws = ws;
    ws.binaryType = "arraybuffer";
    const poll = setInterval(() => {
      this.#mayLeave = this.#options.bytesPerTick;
      this.pump();
    }, 2);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    ws.addEventListener("open", () => {
      this.connections += 1;
      resolve(true);
    });
    ws.addEventListener("close", ({ code, reason }) => {
      this.closes.push({ code, reason });
      clearInterval(poll);
      resolve(false);
      if (this.#ws !== ws) return;
      this.#ws = null;
      this.#channels.clear();
    });
    ws.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (this.#ws !== ws) return;
      if (typeof data === "string") this.#text(data);
      else if (data instanceof ArrayBuffer) this.#bytes(new Uint8Array(data));
    });
    return within(promise, 5_000, "the handshake").catch(() => false);
  }

  #text(text: string): void {
    this.heard.push(JSON.parse(text));
    const parsed = parseOpener(text);
    if (!parsed.ok) return; // v1's
    const message = parsed.value;
    if (message.type === "attach") this.#attach(message);
    else if (message.type === "run") this.#run(message);
    else if (message.type === "list")
      this.send({ type: "sessions", sessions: [...this.shells.values()].map(({ info }) => info) });
    else if (message.type === "kill") this.end(message.session, 137);
    else if (message.type !== "v1_output") this.#ofChannel(message);
  }

  #ofChannel(message: Extract<OpenerMessage, { channel: number }>): void {
    const command = this.commands.find(({ channel }) => channel === message.channel);
    if (command) {
      command.controls.push(message);
      this.onCommand(command);
    }
    const channel = this.#channels.get(message.channel);
    if (!channel) return;
    if (message.type === "detach") this.#channels.delete(message.channel);
    else if (message.type === "hold") channel.hold = message.hold;
    else if (message.type === "resize") {
      const { cols, rows } = message;
      Object.assign(channel.session, { cols, rows });
      channel.session.sizes.push({ cols, rows });
    }
  }

  #attach(message: Attach): void {
    const { channel: number, instance, create, viewer } = message;
    const running = this.shells.get(message.session);
    const wanted = instance === undefined ? running : this.#byInstance(instance);
    if (!wanted && (instance !== undefined || !create)) {
      this.send({ type: "refused", channel: number, code: "gone", message: "no such session" });
      return;
    }
    const session = wanted ?? this.shell(message.session);
    this.onAttach(session);
    if (!wanted && message.cols && message.rows)
      Object.assign(session, { cols: message.cols, rows: message.rows });
    const from =
      message.cursor ?? Math.max(session.ring.start, session.ring.end - (message.tail ?? Infinity));
    const cursor = message.output ? new StreamCursor(session.ring, from) : null;
    this.#channels.set(number, { number, session, viewer, cursor, hold: message.hold, told: false });
    const applied = session.applied.get(viewer) ?? new StreamReceiver(0);
    session.applied.set(viewer, applied);
    this.send({
      type: "attached",
      channel: number,
      info: session.info,
      starts: [Math.max(from, session.ring.start), 0],
      input: applied.next,
      created: !wanted,
    });
    this.pump();
  }

  #byInstance(instance: string): V2Shell | undefined {
    const running = [...this.shells.values()].find((shell) => shell.instance === instance);
    return running ?? this.#ended.get(instance);
  }

  #run(run: Run): void {
    const command = { run, channel: run.channel, frames: [], controls: [] };
    this.commands.push(command);
    this.onCommand(command);
  }

  #bytes(bytes: Uint8Array): void {
    const decoded = decodeFrame(bytes);
    if (!decoded.ok) throw new Error(`the gateway sent ${decoded.reason}`);
    const { frame } = decoded;
    const command = this.commands.findLast(({ channel }) => channel === frame.channel);
    if (command) {
      command.frames.push(frame);
      this.onCommand(command);
      return;
    }
    const channel = this.#channels.get(frame.channel);
    if (!channel) return;
    if (frame.kind === "ack") {
      const { consumed, limit } = frame;
      this.acks.push({ session: channel.session.name, consumed, limit });
      if (!channel.cursor?.ack(consumed, limit))
        throw new Error(`an ack of ${consumed} bytes that were never sent`);
      this.pump();
    } else if (frame.kind === "data") this.#input(channel, frame.offset, frame.bytes);
  }

  #input({ session, viewer, number }: Channel, offset: number, bytes: Uint8Array): void {
    if (!session.appliesInput) return;
    const applied = session.applied.get(viewer);
    const fresh = applied?.accept(offset, bytes);
    if (!applied || !fresh) throw new Error(`input jumped from ${applied?.next} to ${offset}`);
    if (fresh.length > 0) {
      session.input.push(Uint8Array.from(fresh));
      session.colsAtInput.push(session.cols);
    }
    const consumed = applied.next;
    this.frame({
      kind: "ack",
      stream: Stream.input,
      channel: number,
      consumed,
      limit: consumed + 256 * 1024,
    });
  }
}
