/** The rules of a command's channel: a viewer sends no stdin beyond its window, and acknowledges only what it was sent. */
import { UNAPPLIED_BYTES } from "../../protocol/limits.ts";
import type { OwnerMessage } from "../../protocol/v2/control.ts";
import { type Frame, Stream } from "../../protocol/v2/frames.ts";
import type { ChannelOrder } from "./relay.ts";

/** Owned by a relay. Offsets in bytes; throws nothing. */
export class RunOrder implements ChannelOrder {
  /** Null before the agent has answered: nothing may be sent then. */
  #stdin: { next: number; limit: number } | null = null;
  /** How far stdout and stderr were sent. */
  readonly #sent = { [Stream.output]: 0, [Stream.stderr]: 0 };

  readonly #passes: (frame: Frame) => void;

  /** @param passes is told of each frame that goes on, of either side */
  constructor(passes: (frame: Frame) => void = () => {}) {
    this.#passes = passes;
  }

  get passed(): ChannelOrder["passed"] {
    const { [Stream.output]: output, [Stream.stderr]: stderr } = this.#sent;
    return { bytes_in: this.#stdin?.next ?? 0, bytes_out: output + stderr };
  }

  get isAttached(): boolean {
    return this.#stdin !== null;
  }

  attached({ starts, input }: Extract<OwnerMessage, { type: "attached" }>): void {
    this.#stdin = { next: input, limit: input + UNAPPLIED_BYTES };
    [this.#sent[Stream.output], this.#sent[Stream.stderr]] = starts;
  }

  /** A frame on its way to the viewer. */
  fromAgent(frame: Frame): void {
    this.#passes(frame);
    const { stream } = frame;
    if (stream === Stream.input) {
      if (frame.kind === "ack" && this.#stdin) this.#stdin.limit = Math.max(this.#stdin.limit, frame.limit);
      return;
    }
    const end = endOf(frame);
    if (end !== null) this.#sent[stream] = Math.max(this.#sent[stream], end);
  }

  /** What is wrong with a frame of the viewer's, or null. */
  check(frame: Frame): string | null {
    const { stream } = frame;
    if (!this.#stdin) return "a frame for a command that is not attached";
    if (stream !== Stream.input) {
      if (frame.kind !== "ack" || frame.consumed <= this.#sent[stream]) return null;
      return `it consumed ${frame.consumed} bytes of ${this.#sent[stream]}`;
    }
    if (frame.kind === "zstd") return "compressed stdin";
    if (frame.kind !== "data" && frame.kind !== "fin") return null;
    const end = frame.offset + (frame.kind === "data" ? frame.bytes.length : 0);
    if (frame.offset > this.#stdin.next || end > this.#stdin.limit)
      return `stdin from ${frame.offset} to ${end}, where ${this.#stdin.next} to ${this.#stdin.limit} is expected`;
    this.#passes(frame);
    this.#stdin.next = Math.max(this.#stdin.next, end);
    return null;
  }
}

// --- internal ---

function endOf(frame: Frame): number | null {
  if (frame.kind === "data") return frame.offset + frame.bytes.length;
  if (frame.kind === "zstd") return frame.offset + frame.length;
  return frame.kind === "gap" ? frame.to : null;
}
