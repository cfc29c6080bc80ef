/** One attachment to a shell on one connection: its output, its viewer's input, or both. */

import { ProtocolError } from "../../link/link.ts";
import type { Sender } from "../../link/sender.ts";
import type { OpenerMessage, SessionInfo } from "../../protocol/v2/control.ts";
import { type Frame, Stream } from "../../protocol/v2/frames.ts";
import { type AgentChannel, overAck } from "./agent-channel.ts";
import { InputAck } from "./input-ack.ts";
import type { InputStream } from "./input-streams.ts";
import { OutputChannel } from "./output-channel.ts";
import type { Session } from "./session.ts";

type Attach = Extract<OpenerMessage, { type: "attach" }>;

/** The session and the opener that a channel connects. */
export interface ShellChannelOptions {
  attach: Attach;
  session: Session;
  /** The session was started for it. */
  created: boolean;
  sender: Sender;
  onEnded(): void;
}

/** Owned by the link; the session outlives it. */
export class ShellChannel implements AgentChannel {
  readonly #session: Session;
  readonly #output: OutputChannel | null;
  readonly #typing: InputStream;
  readonly #ack: InputAck;
  readonly #onApplied = () => this.#ack.changed();
  readonly starts: [number, number];
  readonly created: boolean;

  constructor({ attach, session, created, sender, onEnded }: ShellChannelOptions) {
    const { channel, hold, zstd } = attach;
    this.created = created;
    this.#session = session;
    this.#typing = session.typing.of(attach.viewer);
    this.#ack = new InputAck(channel, sender, this.#typing);
    const from = beginning(attach, session);
    this.starts = [Math.max(from, session.ring.start), 0];
    this.#output = attach.output
      ? new OutputChannel({ channel, session, sender, from, hold, zstd, onEnded })
      : null;
  }

  get info(): SessionInfo {
    return this.#session.info;
  }

  get accepted(): number {
    return this.#typing.accepted;
  }

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

  owns(source: unknown): boolean {
    return source === this.#output || source === this.#ack;
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
