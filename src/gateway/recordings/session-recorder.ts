/** Records a session: a reader of its mirror that takes what comes, and never asks the agent to wait. */
import type { TerminalSize } from "../../screen/engine.ts";
import type { Snapshot } from "../../screen/screen.ts";
import type { Reader, ReadSource } from "../sessions/reader.ts";
import type { Recording } from "./recording.ts";

/** What a recorder uses of a mirror. */
export interface RecordedMirror extends ReadSource {
  join(reader: Reader, cursor: number | null): void;
  leave(reader: Reader, announced: boolean): void;
  requestScreen(reader: Reader): void;
  keyframe(target: number): Promise<Snapshot | null>;
}

/** How a recording of a session ended: the session's end, or why it is incomplete. */
export interface RecordedEnd {
  exit_code: number | null;
  signal: string | null;
  /** Null where the session itself ended, or the recording was stopped. */
  interrupted: string | null;
}

/** Most output between two keyframes, bytes, where it comes slowly enough to be drawn at all. */
const KEYFRAME_BYTES = 256 * 1024;
/** Most time between two keyframes with output, ms. */
const KEYFRAME_MS = 10_000;
/** Least time, ms: a keyframe takes a thread some 15 ms. */
const KEYFRAME_LEAST_MS = 1_000;
/** Of output faster than this, bytes a second, there is a keyframe after `KEYFRAME_MS` only: drawing it all takes too long. */
const FLOOD_BYTES = 1024 * 1024;
/** What is granted to the agent where no viewer sets the pace, bytes. */
const WINDOW_BYTES = 1024 * 1024;
/** A recording that is stopped waits so long for the screen that it begins with, ms. */
const FIRST_SCREEN_MS = 2_000;
const PIECE_BYTES = 64 * 1024;

/** Owned by the room's recordings, from `start` to the end of the session or `stop`. Offsets in bytes. */
export class SessionRecorder implements Reader {
  readonly viewer: string;
  readonly isRecorder = true;
  readonly hold = false;
  readonly #mirror: RecordedMirror;
  readonly #recording: Recording;
  readonly #onEnd: (end: RecordedEnd) => void;
  #sent: number | null = null;
  #over = false;
  #keyAt = 0;
  #keyOffset = 0;
  /** Where the present second began, and how fast the output was in the one before. */
  #window = { since: 0, offset: 0, perSecond: 0 };
  #drawing = false;
  /** It ends once it has its first screen, or at this time. */
  #ending: Timer | null = null;

  constructor(mirror: RecordedMirror, recording: Recording, onEnd: (end: RecordedEnd) => void) {
    this.viewer = `recording ${recording.id}`;
    this.#mirror = mirror;
    this.#recording = recording;
    this.#onEnd = onEnd;
    recording.onQuiet = () => this.#considerKeyframe();
  }

  get sent(): number | null {
    return this.#sent;
  }

  get consumed(): number {
    return this.#sent ?? 0;
  }

  get limit(): number | null {
    return this.#sent === null ? null : this.#sent + WINDOW_BYTES;
  }

  /** @param fromStart the session begins now; otherwise the recording begins with its screen */
  start(fromStart: boolean): void {
    const { ring } = this.#mirror;
    if (fromStart) this.#begin(ring.start);
    // Where the mirror's copy ends it asks the agent for nothing that it has sent before.
    this.#mirror.join(this, fromStart ? ring.start : ring.end);
    if (!fromStart) this.#mirror.requestScreen(this);
  }

  /** No more is recorded. @param interrupted why, where it is not meant to end here */
  stop(interrupted: string | null = null): void {
    const end = () => this.#end({ exit_code: null, signal: null, interrupted });
    // Until its first screen is drawn the recording would be empty.
    if (this.#sent === null && interrupted === null) this.#ending ??= setTimeout(end, FIRST_SCREEN_MS);
    else end();
  }

  // --- the mirror ---

  advance(): void {
    const { ring, end } = this.#mirror;
    if (this.#over || this.#sent === null) return;
    if (this.#sent < ring.start) {
      this.#recording.gap(ring.start - this.#sent, "the agent was not asked for them in time");
      this.#sent = ring.start;
      this.#keyAt = -KEYFRAME_MS; // the next one comes as soon as it can be drawn
    }
    while (this.#sent < ring.end) {
      const bytes = ring.view(this.#sent, PIECE_BYTES);
      this.#recording.output("o", bytes);
      this.#sent += bytes.length;
    }
    if (end && this.#sent >= ring.end) this.#end({ ...end, interrupted: null });
  }

  show({ offset, bytes, cols, rows }: Snapshot): void {
    if (this.#over || this.#sent !== null) return;
    this.#recording.resized({ cols, rows });
    this.#recording.output("o", bytes);
    this.#begin(offset);
    this.advance();
    if (this.#ending) this.stop();
  }

  resized(size: TerminalSize): void {
    this.#recording.resized(size);
  }

  refused({ message }: { message: string }): void {
    this.stop(message);
  }

  forgotten(): void {
    this.stop("the agent went away");
  }

  // --- internal ---

  #begin(offset: number): void {
    this.#sent = offset;
    this.#keyOffset = offset;
    this.#keyAt = this.#recording.elapsed;
    this.#window = { since: this.#keyAt, offset, perSecond: 0 };
  }

  #considerKeyframe(): void {
    if (this.#over || this.#drawing || this.#sent === null || this.#sent === this.#keyOffset) return;
    const now = this.#recording.elapsed;
    const since = now - this.#window.since;
    if (since >= KEYFRAME_LEAST_MS) {
      const perSecond = ((this.#sent - this.#window.offset) * 1000) / since;
      this.#window = { since: now, offset: this.#sent, perSecond };
    }
    if (now - this.#keyAt < KEYFRAME_LEAST_MS) return;
    const isDue = this.#sent - this.#keyOffset >= KEYFRAME_BYTES && this.#window.perSecond < FLOOD_BYTES;
    if (isDue || now - this.#keyAt >= KEYFRAME_MS) void this.#keyframe(this.#sent);
  }

  async #keyframe(target: number): Promise<void> {
    const place = this.#recording.mark();
    if (!place) return;
    this.#drawing = true;
    const written = target - place.open;
    const snapshot = await this.#mirror.keyframe(target);
    this.#drawing = false;
    const { ring } = this.#mirror;
    this.#keyAt = place.t; // also where there is none: the next try is no sooner
    if (!snapshot || snapshot.offset < ring.start || snapshot.offset > written || this.#over) return;
    // A sequence that is not complete at this place: what follows is the rest of it.
    const open = ring.read(snapshot.offset, written - snapshot.offset);
    const { cols, rows, bytes } = snapshot;
    const init = Buffer.concat([bytes, open]).toString();
    this.#recording.keyframe({ t: place.t, at: place.at, cols, rows, init });
    this.#keyOffset = target;
  }

  #end(end: RecordedEnd): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#ending) clearTimeout(this.#ending);
    this.#mirror.leave(this, true);
    if (end.exit_code !== null || end.signal !== null)
      this.#recording.event("x", end.signal ?? String(end.exit_code));
    if (end.interrupted) this.#recording.event("m", `interrupted: ${end.interrupted}`);
    this.#onEnd(end);
  }
}
