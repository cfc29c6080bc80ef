/** One viewer at one session: its place in the mirror, its input, and the size of its terminal. */
import { zstd } from "../../lib/zstd.ts";
import { AckGauge } from "../../link/ack-gauge.ts";
import { Packer } from "../../link/packer.ts";
import type { OutFrame } from "../../link/sender.ts";
import { UNAPPLIED_BYTES } from "../../protocol/limits.ts";
import type { OpenerMessage, OwnerMessage } from "../../protocol/v2/control.ts";
import { encodeFrame, type Frame, MAX_DATA_BYTES, Stream } from "../../protocol/v2/frames.ts";
import { COUNTS } from "../../protocol/values.ts";
import type { TerminalSize } from "../../screen/engine.ts";
import type { Snapshot } from "../../screen/screen.ts";
import { StreamCursor } from "../../stream/stream.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { AgentLink } from "./agent-link.ts";
import { type Attach, attachForAgent } from "./attach-wish.ts";
import type { AttachmentDeps } from "./attachment-deps.ts";
import type { Mirror } from "./mirror.ts";
import type { Peer, PeerChannel } from "./peer.ts";
import type { Reader } from "./reader.ts";
import type { Typing } from "./typing.ts";
import { ViewerInput } from "./viewer-input.ts";
import { viewerName } from "./viewer-name.ts";

type Attached = Extract<OwnerMessage, { type: "attached" }>;
type Refused = Extract<OwnerMessage, { type: "refused" }>;

/** A v2 viewer's channel for a session. Owned by `ShellChannels`, from its opening to the end of either side. */
export class Attachment implements PeerChannel, Reader {
  readonly viewer: string;
  #hold: boolean;
  readonly peer: Peer;
  readonly #wish: Attach;
  readonly #deps: AttachmentDeps;
  readonly #input: ViewerInput;
  /** Whether it may type; as it was asked for until the agent has answered. */
  readonly typing: Typing;
  readonly #wire = new AckGauge();
  readonly #packer: Packer;
  #size: TerminalSize | null;
  #mirror: Mirror | null = null;
  /** Null until it is known where its output begins. */
  #cursor: StreamCursor | null = null;
  /** What it has granted before it had a cursor. */
  #granted = 0;
  /** What is left of a snapshot to be sent. */
  #snapshot: { whole: Snapshot; position: number } | null = null;
  readonly #pump = () => this.peer.ready(this);
  #awaitsScreen = false;
  #screenAt = Number.NEGATIVE_INFINITY;
  #retry: Timer | null = null;
  #over = false;

  constructor(peer: Peer, wish: Attach, deps: AttachmentDeps) {
    this.peer = peer;
    this.#wish = wish;
    this.#deps = deps;
    this.viewer = wish.viewer;
    this.#hold = wish.hold;
    this.#packer = new Packer(wish.zstd ? zstd : null);
    this.typing = deps.typing(() => this.session);
    this.#size = wish.cols && wish.rows ? { cols: wish.cols, rows: wish.rows } : null;
    this.#input = new ViewerInput({
      shiftAt: (instance) => deps.shifts.of(instance, this.viewer),
      onShift: (shift) => deps.shifts.keep(this.#mirror?.info.instance ?? "", this.viewer, shift),
      onAttached: (message) => this.#attached(message),
      onRefused: (message) => this.refused(message),
      onAck: (consumed, limit) => this.#acknowledge(consumed, limit),
    });
  }

  get connection(): ConnectionInfo {
    return this.peer.connection.info;
  }

  /** One that may only look must not make the program wait. */
  get hold(): boolean {
    return this.#hold && !this.typing.isReadOnly;
  }

  get sent(): number | null {
    return this.#cursor?.sent ?? null;
  }

  get consumed(): number {
    return this.#cursor?.consumed ?? 0;
  }

  get limit(): number {
    return this.#cursor?.limit ?? 0;
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** Its session: by its instance one can be asked for under any name. */
  get session(): string {
    return this.#mirror?.info.session ?? this.#wish.session;
  }

  /** The session that it has asked for and not been answered about. */
  get opening(): string | null {
    return this.#mirror ? null : this.#wish.session;
  }

  // --- the agent's leg ---

  /** The agent is there (again). */
  connect(link: AgentLink): void {
    this.#input.open(link, (channel) =>
      link.control(
        attachForAgent(this.#wish, {
          channel,
          instance: this.#wish.instance ?? this.#mirror?.info.instance,
          isFirst: !this.#mirror,
          size: this.#size,
          isReadOnly: this.typing.isReadOnly,
        }),
      ),
    );
  }

  disconnect(): void {
    this.#input.lost();
  }

  // --- the viewer's leg ---

  control(message: OpenerMessage): void {
    if (message.type === "resize") {
      this.#size = { cols: message.cols, rows: message.rows };
      this.#measure();
    } else if (message.type === "hold") {
      this.#hold = message.hold;
      this.#mirror?.update();
    } else if (message.type === "control" && this.#mirror) this.#deps.control(message.mode);
  }

  frame(frame: Frame): void {
    if (frame.kind === "data" && frame.stream === Stream.input) this.#type(frame.offset, frame.bytes);
    else if (frame.kind === "ack" && frame.stream === Stream.output) this.#ack(frame.consumed, frame.limit);
  }

  get pending(): number {
    if (this.#snapshot) return this.#snapshot.whole.bytes.length - this.#snapshot.position;
    const [cursor, mirror] = [this.#cursor, this.#mirror];
    if (!cursor || !mirror || this.#awaitsScreen || this.#over) return 0;
    if (mirror.end && cursor.sent >= mirror.ring.end) return 1; // the end is still to be told
    return Math.max(0, Math.min(cursor.limit, mirror.ring.end) - cursor.sent);
  }

  takeFrame(): OutFrame | null {
    if (this.#snapshot) return this.#takeSnapshot(this.#snapshot);
    const [cursor, mirror] = [this.#cursor, this.#mirror];
    if (!cursor || !mirror || this.#awaitsScreen || this.#over) return null;
    if (cursor.sent < mirror.ring.start) {
      if (cursor.limit > cursor.sent) this.#fallBehind(mirror);
      return null;
    }
    if (!this.#wire.hasRoom) return null;
    const piece = cursor.next(MAX_DATA_BYTES);
    if (piece?.kind !== "data") {
      this.#sendEnd(mirror, cursor);
      return null;
    }
    const { channel } = this.#wish;
    const frame = this.#packer.encode({ ...piece, stream: Stream.output, channel }, this.#wire.isSlow);
    this.#wire.sent(piece.offset + piece.bytes.length, frame.length);
    return frame;
  }

  close(announced: boolean): void {
    this.#finish(announced);
    this.#input.detach();
  }

  // --- the mirror ---

  advance(): void {
    this.peer.ready(this);
  }

  show(snapshot: Snapshot): void {
    const { offset, bytes, cols, rows, drawn } = snapshot;
    const before = this.#cursor;
    const skipped = before ? offset - before.sent : 0;
    const limit = Math.max(offset, before?.limit ?? this.#granted);
    const { ring } = this.#mirror ?? {};
    if (!ring || this.#over) return;
    this.#awaitsScreen = false;
    this.#screenAt = performance.now();
    this.#cursor = new StreamCursor(ring, offset, limit);
    const { channel } = this.#wish;
    this.peer.send({ type: "screen", channel, offset, bytes: bytes.length, cols, rows, skipped, drawn });
    this.#dropSnapshot();
    if (bytes.length > 0) {
      this.#snapshot = { whole: snapshot, position: 0 };
      this.#deps.snapshots.hold(snapshot);
    }
    this.peer.ready(this);
  }

  resized(size: TerminalSize, by: string): void {
    this.peer.send({ type: "size", channel: this.#wish.channel, ...size, by });
  }

  recorded(on: boolean): void {
    this.peer.send({ type: "recorded", channel: this.#wish.channel, on });
  }

  refused(message: Refused): void {
    if (this.#over) return;
    const { channel, create } = this.#wish;
    const told = message.code === "gone" && create ? this.typing.noSession(message) : message;
    this.peer.send({ ...told, channel });
    this.peer.forget(channel);
    this.close(true);
  }

  /** What its viewer may do has changed, or which viewer of the session may type. */
  accessChanged(): void {
    if (!this.#mirror) return;
    this.typing.tell();
    if (!this.typing.isReadOnly) this.#measure();
    else this.#mirror.size.left(this.viewer, true);
    this.#mirror.update();
  }

  // --- internal ---

  #measure(): void {
    if (this.#size && !this.typing.isReadOnly) this.#mirror?.size.measured(this.viewer, this.#size);
  }

  #attached(message: Attached): void {
    const { channel, output } = this.#wish;
    const { info, input, created } = message;
    const first = this.#mirror === null;
    const mirror = this.#deps.mirror(message);
    const resume = this.#resumesAt(info.instance, created);
    if (first && resume !== null) this.#cursor = new StreamCursor(mirror.ring, resume);
    this.#mirror = mirror;
    const start = this.#cursor?.sent ?? mirror.ring.start;
    const known = { ...info, bytes: Math.max(info.bytes, mirror.ring.end) };
    const others = first ? this.#deps.others(info).slice(0, COUNTS.others).map(otherOf) : undefined;
    const recorded = this.#deps.recording.isRecorded(info.instance);
    const starts: [number, number] = [start, 0];
    this.peer.send({ type: "attached", channel, info: known, starts, input, created, others, recorded });
    this.#acknowledge(input, input + UNAPPLIED_BYTES);
    if (!first) return;
    this.typing.tell();
    this.#measure();
    this.#awaitsScreen = output && resume === null;
    if (output) mirror.join(this, resume);
    this.#deps.recording.joined(mirror, created);
  }

  /** Where its output goes on, or null for a new look. A viewer that started the session reads it from its first byte on. */
  #resumesAt(instance: string, created: boolean): number | null {
    if (created) return 0;
    return instance === this.#wish.instance ? (this.#wish.cursor ?? null) : null;
  }

  #acknowledge(consumed: number, limit: number): void {
    this.peer.frame({ kind: "ack", stream: Stream.input, channel: this.#wish.channel, consumed, limit });
  }

  #type(offset: number, bytes: Uint8Array): void {
    const isAdmitted = this.typing.admits(bytes);
    // Ahead of the bytes: a program that they start has to find the size of the viewer that typed.
    if (isAdmitted) this.#mirror?.size.typed(this.viewer);
    const isWithin = isAdmitted ? this.#input.relay(offset, bytes) : this.#input.drop(offset, bytes);
    if (!isWithin) this.peer.broken("input beyond the limit");
    else if (isAdmitted) this.#deps.recording.typed(this.#mirror, bytes);
  }

  #ack(consumed: number, limit: number): void {
    if (!this.#cursor) this.#granted = Math.max(this.#granted, limit);
    else if (!this.#cursor.ack(consumed, limit)) {
      this.peer.broken(`it consumed ${consumed} bytes of ${this.#cursor.sent}`);
      return;
    }
    this.#wire.consumed(consumed, performance.now());
    this.peer.ready(this);
    this.#mirror?.update();
  }

  #takeSnapshot(snapshot: { whole: Snapshot; position: number }): OutFrame | null {
    const { position, whole } = snapshot;
    const bytes = whole.bytes.subarray(position, position + MAX_DATA_BYTES);
    if (!this.#deps.snapshots.maySend(bytes.length, this.#pump)) return null;
    snapshot.position += bytes.length;
    if (snapshot.position >= whole.bytes.length) this.#dropSnapshot();
    return encodeFrame({
      kind: "screen",
      stream: Stream.output,
      channel: this.#wish.channel,
      position,
      bytes,
    });
  }

  #dropSnapshot(): void {
    if (this.#snapshot) this.#deps.snapshots.drop(this.#snapshot.whole);
    this.#snapshot = null;
  }

  /** The ring has gone on without it: it gets the screen as it is now. */
  #fallBehind(mirror: Mirror): void {
    const wait = this.#screenAt + this.#deps.screenEveryMs - performance.now();
    if (wait <= 0) {
      this.#awaitsScreen = true;
      mirror.requestScreen(this);
    } else
      this.#retry ??= setTimeout(() => {
        this.#retry = null;
        this.peer.ready(this);
      }, wait);
  }

  /** Where all was sent, and the session is over: says so. */
  #sendEnd(mirror: Mirror, cursor: StreamCursor): void {
    if (!mirror.end || cursor.sent < mirror.ring.end) return;
    const { channel } = this.#wish;
    this.peer.frame({ kind: "fin", stream: Stream.output, channel, offset: cursor.sent });
    this.peer.send({ type: "ended", channel, ...mirror.end });
    this.peer.forget(channel);
    this.close(true);
  }

  #finish(announced: boolean): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#retry) clearTimeout(this.#retry);
    this.#dropSnapshot();
    this.#mirror?.leave(this, announced);
    this.#deps.onGone(announced);
  }
}

/** As the viewer is told. */
function otherOf({ principal, openedAt: since }: ConnectionInfo) {
  return { name: viewerName(principal), since };
}
