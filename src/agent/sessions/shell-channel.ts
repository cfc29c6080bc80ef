/** One attachment to a shell on one connection: its output, its viewer's input, or both. */

import type { Sender } from "../../link/sender.ts";
import type { OpenerMessage, SessionInfo } from "../../protocol/v2/control.ts";
import { type Frame, Stream } from "../../protocol/v2/frames.ts";
import { InputAck } from "./input-ack.ts";
import type { InputStream } from "./input-streams.ts";
import { OutputChannel } from "./output-channel.ts";
import type { Session } from "./session.ts";

type Attach = Extract<OpenerMessage, { type: "attach" }>;
type OfChannel = Extract<OpenerMessage, { channel: number }>;

/** What a connection has under a channel's number. */
export interface AgentChannel {
  control(message: OfChannel): void;
  /** @returns what is wrong with it, or null */
  frame(frame: Frame): string | null;
  /** @param announced otherwise the connection was lost, and the opener may come back */
  close(announced: boolean): void;
}

export interface ShellChannelOptions {
  attach: Attach;
  session: Session;
  sender: Sender;
  onEnded(): void;
}

export class ShellChannel implements AgentChannel {
  readonly #session: Session;
  readonly #output: OutputChannel | null;
  readonly #typing: InputStream;
  readonly #ack: InputAck;
  readonly #onApplied = () => this.#ack.changed();
  /** Where output goes on. */
  readonly start: number;

  constructor({ attach, session, sender, onEnded }: ShellChannelOptions) {
    const { channel, hold, zstd } = attach;
    this.#session = session;
    this.#typing = session.typing.of(attach.viewer);
    this.#ack = new InputAck(channel, sender, this.#typing);
    const from = beginning(attach, session);
    this.start = Math.max(from, session.ring.start);
    this.#output = attach.output
      ? new OutputChannel({ channel, session, sender, from, hold, zstd, onEnded })
      : null;
  }

  get info(): SessionInfo {
    return this.#session.info;
  }

  /** How much of the viewer's input is here. */
  get accepted(): number {
    return this.#typing.accepted;
  }

  /** After `attached` is on its way. */
  begin(): void {
    this.#typing.onApplied = this.#onApplied;
    this.#ack.changed();
    if (!this.#output) {
      this.#session.inputChannels += 1;
      return;
    }
    this.#session.pace.join(this.#output);
    this.#output.advance();
  }

  control(message: OfChannel): void {
    if (message.type === "resize") this.#session.resize(message.cols, message.rows);
    else if (message.type === "hold" && this.#output) {
      this.#output.hold = message.hold;
      this.#session.pace.changed();
    }
  }

  frame(frame: Frame): string | null {
    if (frame.kind === "ack" && frame.stream === Stream.output && this.#output) {
      const fine = this.#output.ack(frame.consumed, frame.limit);
      this.#session.pace.changed();
      return fine
        ? null
        : `an ack of ${frame.consumed} bytes, of which ${this.#output.cursor.sent} were sent`;
    }
    if (frame.stream !== Stream.input) return null;
    if (frame.kind === "zstd") return "compressed input, which there is none of";
    if (frame.kind !== "data") return null;
    if (this.#session.typeIn(this.#typing, frame.offset, frame.bytes)) return null;
    const { accepted, limit } = this.#typing;
    return `input from ${frame.offset} to ${frame.offset + frame.bytes.length}, where ${accepted} to ${limit} is expected`;
  }

  close(announced: boolean): void {
    if (this.#typing.onApplied === this.#onApplied) this.#typing.onApplied = null;
    this.#ack.close();
    if (!this.#output) {
      this.#session.inputChannels -= 1;
      return;
    }
    this.#output.close();
    this.#session.pace.leave(this.#output, announced);
  }
}

// --- internal ---

/** A place that does not exist yet is taken for the end. */
function beginning({ cursor, tail }: Attach, { ring }: Session): number {
  if (cursor !== undefined) return Math.min(cursor, ring.end);
  return tail === undefined ? ring.start : Math.max(ring.start, ring.end - tail);
}
