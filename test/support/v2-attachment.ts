/** One viewer's channel to a session of a scripted gateway: its cursors, its credit, its input. */
import type { ServerWebSocket } from "bun";
import { encodeControl } from "../../src/protocol/v2/control.ts";
import { encodeFrame, type Frame, MAX_DATA_BYTES, type Stream } from "../../src/protocol/v2/frames.ts";
import { StreamCursor } from "../../src/stream/stream.ts";
import { V2Run } from "./v2-run.ts";
import type { V2Session } from "./v2-session.ts";

/** Output is handed to the socket while less than this waits there. */
const HIGH = 256 * 1024;
/** Granted input. */
const INPUT_WINDOW = 64 * 1024;

const all = new WeakMap<V2Session, Set<V2Attachment>>();

/** Those that are attached to it now. */
export function attachmentsOf(session: V2Session): V2Attachment[] {
  return [...(all.get(session) ?? [])];
}

export class V2Attachment {
  readonly session: V2Session;
  readonly viewer: string;
  readonly #socket: ServerWebSocket<unknown>;
  readonly #channel: number;
  #cursors: StreamCursor[] = [];
  #ended = false;
  detached = false;

  constructor(socket: ServerWebSocket<unknown>, channel: number, session: V2Session, viewer: string) {
    this.#socket = socket;
    this.#channel = channel;
    this.session = session;
    this.viewer = viewer;
  }

  /** Of stdout and stderr: sent, consumed, limit. */
  get cursors(): readonly StreamCursor[] {
    return this.#cursors;
  }

  /** @param from where to go on; null for a new look */
  begin(from: readonly [number, number] | null, created: boolean): void {
    const { session } = this;
    const [ring, stderr] = session.rings;
    const starts: [number, number] = [from?.[0] ?? ring.end, from?.[1] ?? stderr.end];
    const input = session.applied(this.viewer);
    this.#control({ type: "attached", channel: this.#channel, info: session.info, starts, input, created });
    this.#grantInput();
    if (!from || from[0] < ring.start) this.showScreen(ring.end - (from?.[0] ?? ring.end));
    this.#cursors = [
      new StreamCursor(ring, from && from[0] >= ring.start ? from[0] : ring.end),
      new StreamCursor(stderr, starts[1]),
    ];
    session.readers.add(this);
    const attached = all.get(session) ?? new Set();
    all.set(session, attached.add(this));
    this.pump();
  }

  /** The picture of the session, and its bytes from now on. */
  showScreen(skipped = 0): void {
    const [ring] = this.session.rings;
    const bytes = this.session.picture?.bytes ?? new Uint8Array(0);
    const head = { offset: ring.end, bytes: bytes.length, cols: 80, rows: 24, skipped };
    this.#control({ type: "screen", channel: this.#channel, ...head });
    for (let position = 0; position < bytes.length; position += 1000) {
      if (this.session.picture?.cutAt === position) {
        delete this.session.picture.cutAt;
        this.#socket.terminate();
        return;
      }
      const piece = bytes.subarray(position, position + 1000);
      this.#send({ kind: "screen", stream: 1, channel: this.#channel, position, bytes: piece });
    }
    const [, stderr] = this.#cursors;
    if (stderr) this.#cursors = [new StreamCursor(ring, ring.end, this.#cursors[0]?.limit), stderr];
  }

  /** Sends what may be sent. */
  pump(): void {
    for (const [index, cursor] of this.#cursors.entries()) {
      const stream: Stream = index === 0 ? 1 : 2;
      while (cursor.ready && this.#socket.readyState === 1 && this.#socket.getBufferedAmount() < HIGH) {
        const piece = cursor.next(MAX_DATA_BYTES);
        if (piece) this.#send({ ...piece, stream, channel: this.#channel });
      }
    }
    this.#tellEnd();
  }

  frame(frame: Frame): void {
    if (frame.kind === "ack") {
      const which = frame.stream === 2 ? 1 : 0;
      const cursor = this.#cursors[which];
      if (!cursor?.ack(frame.consumed, frame.limit)) throw new Error(`acked ${frame.consumed}, never sent`);
      if (this.session instanceof V2Run) this.session.consumed[which] = cursor.consumed;
      return void this.pump();
    }
    if (frame.kind === "data") {
      this.session.takeInput(this.viewer, frame.offset, frame.bytes);
      this.#grantInput();
    } else if (frame.kind === "fin") {
      if (frame.offset !== this.session.applied(this.viewer)) throw new Error("input ends too early");
      this.session.inputEnded();
    }
  }

  close(detached = false): void {
    this.detached = detached;
    this.session.readers.delete(this);
    all.get(this.session)?.delete(this);
  }

  // --- internal ---

  #grantInput(): void {
    const consumed = this.session.applied(this.viewer);
    const limit = consumed + INPUT_WINDOW;
    this.#send({ kind: "ack", stream: 0, channel: this.#channel, consumed, limit });
  }

  #tellEnd(): void {
    const { end } = this.session;
    const through = this.#cursors.every((cursor, index) => cursor.sent === this.session.rings[index]?.end);
    if (!end || this.#ended || !through || this.#cursors.length === 0) return;
    this.#ended = true;
    for (const [index, cursor] of this.#cursors.entries()) {
      if (index === 1 && this.session.kind === "shell") continue;
      this.#send({ kind: "fin", stream: index === 0 ? 1 : 2, channel: this.#channel, offset: cursor.sent });
    }
    this.#control({ type: "ended", channel: this.#channel, ...end });
  }

  #control(message: Parameters<typeof encodeControl>[0]): void {
    this.#socket.send(encodeControl(message));
  }

  #send(frame: Frame): void {
    this.#socket.send(encodeFrame(frame));
  }
}
