/** One attachment that reads a session's output: from where its cursor is, as far as its credit goes, then the end. */

import { zstd } from "../../lib/zstd.ts";
import { Packer } from "../../link/packer.ts";
import type { FrameSource, OutFrame, Sender } from "../../link/sender.ts";
import { encodeControl } from "../../protocol/v2/control.ts";
import { encodeFrame, MAX_DATA_BYTES, Stream } from "../../protocol/v2/frames.ts";
import { StreamCursor } from "../../stream/stream.ts";
import type { PaceReader } from "./pace.ts";
import type { Session } from "./session.ts";

/** The session and the reader that a channel connects. */
export interface OutputChannelOptions {
  channel: number;
  session: Session;
  sender: Sender;
  /** Offset to begin with. */
  from: number;
  hold: boolean;
  /** The opener reads DATA_ZSTD too. */
  zstd: boolean;
  /** It was told of the end: nothing more comes. */
  onEnded(): void;
}

/** One reader of a session's output on one connection. Owned by a `ShellChannel`. */
export class OutputChannel implements FrameSource, PaceReader {
  readonly cursor: StreamCursor;
  hold: boolean;
  readonly #options: OutputChannelOptions;
  readonly #packer: Packer;
  #said: "nothing" | "fin" | "ended" = "nothing";

  constructor(options: OutputChannelOptions) {
    this.#options = options;
    this.hold = options.hold;
    this.#packer = new Packer(options.zstd ? zstd : null);
    this.cursor = new StreamCursor(options.session.ring, options.from);
  }

  get pending(): number {
    const { cursor } = this;
    const { ring } = this.#options.session;
    if (cursor.ready)
      return Math.max(1, Math.min(cursor.limit, ring.end) - Math.max(cursor.sent, ring.start));
    return this.#atEnd ? 1 : 0;
  }

  takeFrame(): OutFrame | null {
    const { channel, session, sender } = this.#options;
    const stream = Stream.output;
    const piece = this.cursor.next(MAX_DATA_BYTES);
    if (piece) return this.#packer.encode({ stream, channel, ...piece }, sender.isSlow);
    if (!this.#atEnd) return null;
    if (this.#said === "nothing") {
      this.#said = "fin";
      return encodeFrame({ kind: "fin", stream, channel, offset: session.ring.end });
    }
    this.#said = "ended";
    this.#options.onEnded();
    const { end } = session;
    return encodeControl({
      type: "ended",
      channel,
      exit_code: end?.exitCode ?? null,
      signal: end?.signal ?? null,
    });
  }

  advance(): void {
    if (this.pending > 0) this.#options.sender.ready(this);
  }

  /** @returns false where it claims bytes that were never sent */
  ack(consumed: number, limit: number): boolean {
    if (!this.cursor.ack(consumed, limit)) return false;
    this.advance();
    return true;
  }

  close(): void {
    this.#options.sender.forget(this);
  }

  // --- internal ---

  get #atEnd(): boolean {
    const { session } = this.#options;
    return session.end !== null && this.cursor.sent >= session.ring.end && this.#said !== "ended";
  }
}
