/** One attachment to a shell on one connection: its output, its viewer's input, or both. */

import { type Channel, ProtocolError } from "../../link/link.ts";
import type { Sender } from "../../link/sender.ts";
import type { OpenerMessage, SessionInfo } from "../../protocol/v2/control.ts";
import { type Frame, Stream } from "../../protocol/v2/frames.ts";
import { InputAck } from "./input-ack.ts";
import type { InputStream } from "./input-streams.ts";
import { OutputChannel } from "./output-channel.ts";
import type { Session } from "./session.ts";

type Attach = Extract<OpenerMessage, { type: "attach" }>;

/** What a connection has under a channel's number. */
export type AgentChannel = Channel<OpenerMessage>;

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

  control(message: OpenerMessage): void {
    if (message.type === "resize") this.#session.resize(message.cols, message.rows);
    else if (message.type === "hold" && this.#output) {
      this.#output.hold = message.hold;
      this.#session.pace.changed();
    }
  }

  frame(frame: Frame): void {
    if (frame.kind === "ack" && frame.stream === Stream.output && this.#output) {
      const fine = this.#output.ack(frame.consumed, frame.limit);
      this.#session.pace.changed();
      if (!fine) throw new ProtocolError(overAck(frame.consumed, this.#output.cursor.sent));
    }
    if (frame.stream !== Stream.input) return;
    if (frame.kind === "zstd") throw new ProtocolError("compressed input, which there is none of");
    if (frame.kind !== "data" || this.#session.typeIn(this.#typing, frame.offset, frame.bytes)) return;
    const { accepted, limit } = this.#typing;
    const end = frame.offset + frame.bytes.length;
    throw new ProtocolError(
      `input from ${frame.offset} to ${end}, where ${accepted} to ${limit} is expected`,
    );
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

/** What is wrong with an ack of bytes that were never sent. */
export function overAck(consumed: number, sent: number): string {
  return `an ack of ${consumed} bytes, of which ${sent} were sent`;
}

// --- internal ---

/** A place that does not exist yet is taken for the end. */
function beginning({ cursor, tail }: Attach, { ring }: Session): number {
  if (cursor !== undefined) return Math.min(cursor, ring.end);
  return tail === undefined ? ring.start : Math.max(ring.start, ring.end - tail);
}
