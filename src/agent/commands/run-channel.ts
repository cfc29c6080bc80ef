/** One attachment to a command on one connection: stdout and stderr as far as credit goes, stdin, then the end. */

import { zstd } from "../../lib/zstd.ts";
import { ProtocolError } from "../../link/link.ts";
import { Packer } from "../../link/packer.ts";
import type { FrameSource, OutFrame, Sender } from "../../link/sender.ts";
import { encodeControl, type OpenerMessage, type SessionInfo } from "../../protocol/v2/control.ts";
import { encodeFrame, type Frame, MAX_DATA_BYTES, Stream } from "../../protocol/v2/frames.ts";
import { StreamCursor } from "../../stream/stream.ts";
import { type AgentChannel, overAck } from "../sessions/agent-channel.ts";
import { InputAck } from "../sessions/input-ack.ts";
import type { Run } from "./run.ts";
import type { RunStream } from "./run-stream.ts";

/** What a channel connects: an opener and a command. */
export interface RunChannelOptions {
  channel: number;
  run: Run;
  cursors: readonly [number, number];
  /** The opener reads DATA_ZSTD too. */
  zstd: boolean;
  created: boolean;
  sender: Sender;
  onEnded(): void;
}

/** A command's three streams on one connection. Owned by the link; the command outlives it. */
export class RunChannel implements AgentChannel {
  readonly created: boolean;
  readonly starts: [number, number];
  readonly #options: RunChannelOptions;
  readonly #outputs: readonly [StreamSource, StreamSource];
  readonly #ack: InputAck;
  #ended = false;
  #closed = false;

  constructor(options: RunChannelOptions) {
    const { channel, run, cursors, zstd, sender } = options;
    this.#options = options;
    this.created = options.created;
    const source = (stream: Stream, from: RunStream, cursor: number) =>
      new StreamSource({ channel, stream, from, cursor, zstd, sender, end: () => this.#takeEnd() });
    this.#outputs = [
      source(Stream.output, run.stdout, cursors[0]),
      source(Stream.stderr, run.stderr, cursors[1]),
    ];
    this.starts = [this.#outputs[0].start, this.#outputs[1].start];
    this.#ack = new InputAck(channel, sender, run.stdin);
  }

  get info(): SessionInfo {
    return this.#options.run.info;
  }

  get accepted(): number {
    return this.#options.run.stdin.accepted;
  }

  begin(): void {
    const { run } = this.#options;
    run.attached();
    run.stdin.onApplied = () => this.#ack.changed();
    run.stdout.onAdvance = run.stderr.onAdvance = () => this.#advance();
    this.#ack.changed();
    this.#advance();
  }

  control(message: OpenerMessage): void {
    if (message.type === "signal") this.#options.run.signal(message.signal);
  }

  frame(frame: Frame): void {
    const { run } = this.#options;
    const { stream } = frame;
    if (stream === Stream.input) {
      if (frame.kind === "data" && !run.stdin.data(frame.offset, frame.bytes))
        throw new ProtocolError(`stdin from ${frame.offset}, where ${run.stdin.accepted} is expected`);
      if (frame.kind === "zstd") throw new ProtocolError("compressed stdin, which there is none of");
      if (frame.kind === "fin" && !run.stdin.fin(frame.offset))
        throw new ProtocolError(`stdin ends at ${frame.offset}, where ${run.stdin.accepted} is expected`);
      return;
    }
    if (frame.kind !== "ack") return;
    const output = this.#outputs[stream === Stream.output ? 0 : 1];
    if (!output.cursor.ack(frame.consumed, frame.limit))
      throw new ProtocolError(overAck(frame.consumed, output.cursor.sent));
    output.stream.ack(frame.consumed, frame.limit);
    this.#advance();
  }

  owns(source: unknown): boolean {
    return source === this.#ack || this.#outputs.some((output) => output === source);
  }

  close(announced: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    const { run, sender } = this.#options;
    this.#ack.close();
    for (const output of this.#outputs) sender.forget(output);
    run.stdout.onAdvance = run.stderr.onAdvance = run.stdin.onApplied = null;
    run.left(announced && !this.#ended);
  }

  // --- internal ---

  #advance(): void {
    for (const output of this.#outputs) if (output.pending > 0) this.#options.sender.ready(output);
  }

  /** The last word, once both streams have ended. */
  #takeEnd(): string | null {
    const { run, channel, onEnded } = this.#options;
    if (this.#ended || !run.end || this.#outputs.some(({ isDone }) => !isDone)) return null;
    this.#ended = true;
    onEnded();
    return encodeControl({ type: "ended", channel, ...run.end });
  }
}

// --- internal ---

interface StreamSourceOptions {
  channel: number;
  stream: Stream;
  from: RunStream;
  cursor: number;
  zstd: boolean;
  sender: Sender;
  end(): string | null;
}

/** One stream on its way to one reader. */
class StreamSource implements FrameSource {
  readonly stream: RunStream;
  readonly cursor: StreamCursor;
  /** Where it goes on. */
  readonly start: number;
  /** Its FIN is on its way. */
  isDone = false;
  readonly #options: StreamSourceOptions;
  readonly #packer: Packer;

  constructor(options: StreamSourceOptions) {
    const { ring } = options.from;
    this.#options = options;
    this.stream = options.from;
    const from = Math.min(options.cursor, ring.end);
    this.start = Math.max(from, ring.start);
    this.cursor = new StreamCursor(ring, from);
    this.#packer = new Packer(options.zstd ? zstd : null);
  }

  get pending(): number {
    const { ring, isOver } = this.stream;
    if (this.cursor.ready) return Math.max(1, Math.min(this.cursor.limit, ring.end) - this.cursor.sent);
    // One for the FIN, and after it one for the end of the command, which may be nothing.
    return isOver && this.cursor.sent >= ring.end ? 1 : 0;
  }

  takeFrame(): OutFrame | null {
    const { channel, stream, sender, end } = this.#options;
    const piece = this.cursor.next(MAX_DATA_BYTES);
    if (piece) return this.#packer.encode({ stream, channel, ...piece }, sender.isSlow);
    if (this.pending === 0) return null;
    if (this.isDone) return end();
    this.isDone = true;
    return encodeFrame({ kind: "fin", stream, channel, offset: this.cursor.sent });
  }
}
