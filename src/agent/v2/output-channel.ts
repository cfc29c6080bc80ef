/** One attachment that reads a session's output: from where its cursor is, as far as its credit goes, then the end. */
import { StreamCursor } from "../../lib/stream.ts";
import { encodeControl } from "../../protocol/v2/control.ts";
import { encodeFrame, MAX_DATA_BYTES, Stream } from "../../protocol/v2/frames.ts";
import type { Outbox, OutFrame, OutputSource } from "../outbox.ts";
import type { Session } from "../session.ts";
import type { PaceReader } from "./pace.ts";
import { Packer } from "./packer.ts";

export interface OutputChannelOptions {
  channel: number;
  session: Session;
  outbox: Outbox;
  /** Offset to begin with. */
  from: number;
  hold: boolean;
  /** The opener reads DATA_ZSTD too. */
  zstd: boolean;
  /** It was told of the end: nothing more comes. */
  onEnded(): void;
}

export class OutputChannel implements OutputSource, PaceReader {
  readonly cursor: StreamCursor;
  hold: boolean;
  readonly #options: OutputChannelOptions;
  readonly #packer: Packer;
  #said: "nothing" | "fin" | "ended" = "nothing";

  constructor(options: OutputChannelOptions) {
    this.#options = options;
    this.hold = options.hold;
    this.#packer = new Packer(options.zstd);
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
    const { channel, session, outbox } = this.#options;
    const stream = Stream.output;
    const piece = this.cursor.next(MAX_DATA_BYTES);
    if (piece) return this.#packer.encode({ stream, channel, ...piece }, outbox.isSlow);
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
    if (this.pending > 0) this.#options.outbox.ready(this);
  }

  /** @returns false where it claims bytes that were never sent */
  ack(consumed: number, limit: number): boolean {
    if (!this.cursor.ack(consumed, limit)) return false;
    this.advance();
    return true;
  }

  close(): void {
    this.#options.outbox.forget(this);
  }

  // --- internal ---

  get #atEnd(): boolean {
    const { session } = this.#options;
    return session.end !== null && this.cursor.sent >= session.ring.end && this.#said !== "ended";
  }
}
