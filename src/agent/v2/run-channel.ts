/** A command's channel on the connection that is there: stdout and stderr with credit, then how it ended. */
import { StreamCursor } from "../../lib/stream.ts";
import { encodeControl } from "../../protocol/v2/control.ts";
import { encodeFrame, type Frame, MAX_DATA_BYTES, Stream } from "../../protocol/v2/frames.ts";
import type { Outbox, OutputSource, WireFrame } from "../outbox.ts";
import type { Run } from "./run.ts";
import type { RunOutput } from "./run-output.ts";
import { INPUT_WINDOW } from "./viewer-inputs.ts";

interface Lane {
  stream: typeof Stream.output | typeof Stream.stderr;
  output: RunOutput;
  cursor: StreamCursor;
  finished: boolean;
}

export class RunChannel implements OutputSource {
  readonly channel: number;
  readonly run: Run;
  readonly #outbox: Outbox;
  readonly #lanes: Lane[];
  #told = false;

  /** @param cursors offsets of stdout and stderr to go on from, which the run still has */
  constructor(channel: number, run: Run, outbox: Outbox, cursors: readonly [number, number]) {
    this.channel = channel;
    this.run = run;
    this.#outbox = outbox;
    const [stdout, stderr] = run.outputs;
    this.#lanes = [lane(Stream.output, stdout, cursors[0]), lane(Stream.stderr, stderr, cursors[1])];
    run.onChange = () => this.advance();
  }

  /** The end was told: nothing more will come. */
  get told(): boolean {
    return this.#told;
  }

  get pending(): number {
    let bytes = 0;
    for (const each of this.#lanes) bytes += sendable(each) || (mayFinish(each) ? 1 : 0);
    return bytes || (this.#mayEnd() ? 1 : 0);
  }

  takeFrame(): WireFrame | null {
    for (const each of this.#lanes) {
      const frame = this.#next(each);
      if (!frame) continue;
      this.#lanes.reverse(); // the other one's turn
      return frame;
    }
    const { exit } = this.run;
    if (!exit || !this.#mayEnd()) return null;
    this.#told = true;
    return encodeControl({ type: "ended", channel: this.channel, ...exit });
  }

  advance(): void {
    if (this.pending > 0) this.#outbox.ready(this);
  }

  /** A frame for this channel; says what is wrong with it, or null. */
  frame(frame: Frame): string | null {
    if (frame.kind === "ack") return this.#ack(frame.stream, frame.consumed, frame.limit);
    if (frame.stream !== Stream.input) return null;
    if (frame.kind === "data") {
      const ok = this.run.input.accept(frame.offset, frame.bytes, () => this.ackInput());
      return ok ? null : "stdin came out of order or beyond its window";
    }
    if (frame.kind !== "fin") return null;
    if (frame.offset !== this.run.input.accepted) return "stdin ended where it had not come to";
    this.run.input.finish();
    return null;
  }

  ackInput(): void {
    const { applied } = this.run.input;
    const limit = applied + INPUT_WINDOW;
    this.#outbox.control(
      encodeFrame({ kind: "ack", stream: Stream.input, channel: this.channel, consumed: applied, limit }),
    );
  }

  close(): void {
    this.#outbox.forget(this);
    this.run.onChange = () => {};
  }

  // --- internal ---

  #next(each: Lane): WireFrame | null {
    const { stream, cursor, output } = each;
    const piece = cursor.next(MAX_DATA_BYTES);
    const { channel } = this;
    if (piece?.kind === "data")
      return encodeFrame({ kind: "data", stream, channel, offset: piece.offset, bytes: piece.bytes });
    if (!mayFinish(each)) return null;
    each.finished = true;
    return encodeFrame({ kind: "fin", stream, channel, offset: output.ring.end });
  }

  #ack(stream: Stream, consumed: number, limit: number): string | null {
    const found = this.#lanes.find((each) => each.stream === stream);
    if (!found) return null;
    if (!found.cursor.ack(consumed, limit)) return "output was acknowledged before it was sent";
    found.output.want(consumed, limit);
    this.advance();
    return null;
  }

  #mayEnd(): boolean {
    return !this.#told && this.run.exit !== null && this.#lanes.every(({ finished }) => finished);
  }
}

function lane(stream: Lane["stream"], output: RunOutput, from: number): Lane {
  return { stream, output, cursor: new StreamCursor(output.ring, from), finished: false };
}

function sendable({ cursor, output }: Lane): number {
  return Math.max(0, Math.min(cursor.limit, output.ring.end) - cursor.sent);
}

function mayFinish({ cursor, output, finished }: Lane): boolean {
  return !finished && output.ended && cursor.sent >= output.ring.end;
}
