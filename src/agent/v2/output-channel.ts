/** One reader of a shell's output over rexec.v2: a place in the session's ring, and credit. */
import { StreamCursor } from "../../lib/stream.ts";
import { encodeControl } from "../../protocol/v2/control.ts";
import { encodeFrame, MAX_DATA_BYTES, Stream } from "../../protocol/v2/frames.ts";
import type { Outbox, OutputSource, WireFrame } from "../outbox.ts";
import type { RingReader, Session } from "../session.ts";

export class OutputChannel implements OutputSource, RingReader {
  readonly channel: number;
  readonly viewer: string;
  readonly session: Session;
  holds: boolean;
  readonly #outbox: Outbox;
  readonly #cursor: StreamCursor;
  #end: "open" | "fin sent" | "told" = "open";

  constructor(options: {
    channel: number;
    viewer: string;
    session: Session;
    outbox: Outbox;
    /** Offset to go on from. */
    from: number;
    holds: boolean;
  }) {
    this.channel = options.channel;
    this.viewer = options.viewer;
    this.session = options.session;
    this.holds = options.holds;
    this.#outbox = options.outbox;
    this.#cursor = new StreamCursor(options.session.ring, options.from);
    options.session.readers.add(this);
  }

  get wants(): number {
    return this.#cursor.limit;
  }

  /** Bytes that may go out now; one for word of a gap or of the end. */
  get pending(): number {
    const { sent, limit } = this.#cursor;
    const { ring } = this.session;
    if (sent < ring.start) return 1;
    const bytes = Math.min(limit, ring.end) - sent;
    if (bytes > 0) return bytes;
    return this.#isAtEnd && this.#end !== "told" ? 1 : 0;
  }

  takeFrame(): WireFrame | null {
    const { channel } = this;
    const piece = this.#cursor.next(MAX_DATA_BYTES);
    if (piece?.kind === "gap")
      return encodeFrame({ kind: "gap", stream: Stream.output, channel, from: piece.from, to: piece.to });
    if (piece)
      return encodeFrame({
        kind: "data",
        stream: Stream.output,
        channel,
        offset: piece.offset,
        bytes: piece.bytes,
      });
    if (!this.#isAtEnd || this.#end === "told") return null;
    if (this.#end === "open") {
      this.#end = "fin sent";
      return encodeFrame({ kind: "fin", stream: Stream.output, channel, offset: this.session.ring.end });
    }
    this.#end = "told";
    const exit = this.session.exit;
    return encodeControl({
      type: "ended",
      channel,
      exit_code: exit?.exitCode ?? null,
      signal: exit?.signal ?? null,
    });
  }

  advance(): void {
    if (this.pending > 0) this.#outbox.ready(this);
  }

  /** The reader has consumed, and wants more. False where it claims what it was never sent. */
  ack(consumed: number, limit: number): boolean {
    if (!this.#cursor.ack(consumed, limit)) return false;
    this.session.readersChanged();
    this.advance();
    return true;
  }

  /** Sends nothing any more. Whether it goes on holding the shell is for `Holds` to say. */
  close(): void {
    this.#outbox.forget(this);
    this.session.readers.delete(this);
    this.session.readersChanged();
  }

  // --- internal ---

  get #isAtEnd(): boolean {
    return (
      this.session.exit !== null &&
      this.session.endedAt !== null &&
      this.#cursor.sent >= this.session.ring.end
    );
  }
}
