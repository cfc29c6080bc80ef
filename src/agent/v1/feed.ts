/** One shell as a server of rexec.v1 reads it: what it has not taken is kept up to a bound, beyond which the terminal waits. */

import { counted } from "../../lib/count.ts";
import type { FrameSource, Sender } from "../../link/sender.ts";
import { OUTPUT_CHUNK_BYTES } from "../../protocol/limits.ts";
import { encodeAgent } from "../../protocol/v1.ts";
import type { SavedFeed } from "../restart/schema.ts";
import type { ByteBudget } from "../sessions/byte-budget.ts";
import type { SessionFollower } from "../sessions/follower.ts";
import type { Credit } from "../sessions/pace.ts";
import type { Session } from "../sessions/session.ts";
import { recentLines, replayable } from "../sessions/session-text.ts";
import { OutputBuffer } from "./output-buffer.ts";

/**
 * A server that names no session for so long gets the output all the same, ms: it may keep it for viewers by itself. If
 * it names the session later, it gets again what it had no viewer for.
 */
const UNNAMED_MS = 2_000;

/** The session that a feed reads, and where its output goes. */
export interface V1FeedOptions {
  session: Session;
  sender: Sender;
  /** Common to all feeds. */
  budget: ByteBudget;
  /** Bytes that are kept. */
  bound: number;
}

/** Made with its session, off until a server of rexec.v1 is to be told of it. */
export class V1Feed implements FrameSource, SessionFollower {
  readonly #buffer = new OutputBuffer();
  readonly #options: V1FeedOptions;
  #isOn = false;
  /** @transient all is taken in before it is saved */
  #isWanted = true;
  /** Offset of the byte in the ring that is taken in next. @transient all is taken in before it is saved */
  #at = 0;
  /** The server has not named the session since it was connected to: it may have no viewer of it yet. @transient of one connection */
  #isHeld = false;
  /** Bytes that it was sent all the same. @transient of one connection */
  #unasked = 0;
  /** @transient of one connection */
  #wasReleased = false;
  /** @transient of one connection */
  #timer: Timer | null = null;
  /** @transient asked for anew as output comes */
  #waitsForBudget = false;

  constructor(options: V1FeedOptions) {
    this.#options = options;
  }

  // --- what the server does ---

  /** Another server is connected to. @param isHeld it gets nothing before it names the session */
  connect(isHeld: boolean): void {
    this.#stopTimer();
    this.#isHeld = isHeld;
    this.#wasReleased = false;
    this.#unasked = 0;
    if (isHeld) this.#timer = setTimeout(() => this.#release(), UNNAMED_MS);
  }

  /** From now on the server gets all output, beginning with what was printed last. */
  serve(): void {
    const { session } = this.#options;
    if (this.#isOn || session.state === "over") return;
    this.#isOn = true;
    this.#at = session.ring.end;
    this.#push(recentLines(session.ring));
    this.#changed();
  }

  /** The server named the session: it gets what it has not been sent, fit to be shown late, or the end of it. */
  named(): void {
    if (this.#isHeld) {
      const late = this.#buffer.copy();
      this.#clear();
      this.#push(replayable(late));
    } else if (this.#unasked > 0) {
      this.#at = Math.max(0, this.#at - this.#unasked - this.#clear());
      this.#catchUp("no viewer was there");
    }
    this.#stopTimer();
    this.#isHeld = false;
    this.#wasReleased = false;
    this.#unasked = 0;
    this.#changed();
  }

  /** Nothing is sent while it is not wanted; afterwards what was missed, or its end with word of how much it was. */
  want(wanted: boolean): void {
    this.#want(wanted);
    this.#changed();
  }

  // --- what the session asks ---

  /** There is a server of rexec.v1 that is told all. */
  get isOn(): boolean {
    return this.#isOn;
  }

  get isOwed(): boolean {
    return this.#isOn;
  }

  /** The server takes what it is told. */
  get hold(): boolean {
    return this.#isOn && this.#isWanted;
  }

  get isWatching(): boolean {
    return this.#isOn && this.#options.sender.connected;
  }

  /** It consumes at once; without room it neither wants more nor lets others' bytes be overwritten. */
  get cursor(): Credit {
    return this.#hasRoom ? { consumed: this.#at, limit: Number.POSITIVE_INFINITY } : FULL;
  }

  /** Takes in what is new. */
  advance(): void {
    const { session } = this.#options;
    const { ring, pace } = session;
    if (session.hasEnded) this.want(true);
    if (!this.hold) return;
    const chunk = ring.read(Math.max(this.#at, ring.start), ring.capacity);
    this.#at = ring.end;
    const bound = 2 * this.#options.bound;
    // Where another reader sets the pace, what waits here gives way to word of how much it was.
    if (pace.isHeldBeside(this) && this.#buffer.length + chunk.length > bound) this.#skip();
    this.#push(chunk);
    if (this.pending > 0) this.#options.sender.ready(this);
  }

  save(): Required<SavedFeed> {
    this.#want(true);
    return { isForV1: this.#isOn, buffer: this.#buffer.copy() };
  }

  restore({ isForV1, buffer }: SavedFeed): void {
    this.#isOn = isForV1;
    this.#at = this.#options.session.ring.end;
    this.#push(buffer);
    if (this.pending > 0) this.#options.sender.ready(this);
  }

  // --- what the sender asks ---

  /** Bytes; at the end of the session also those of an unfinished character, and one for the end itself. */
  get pending(): number {
    const { session } = this.#options;
    if (this.#isHeld || !this.#isOn) return 0;
    const { length } = this.#buffer;
    if (this.#buffer.canTake(session.hasEnded)) return length;
    return session.state === "drained" ? 1 : 0;
  }

  takeFrame(): string | null {
    if (this.pending === 0) return null;
    const { session, budget } = this.#options;
    const bytes = this.#buffer.take(OUTPUT_CHUNK_BYTES, session.hasEnded);
    if (bytes.length > 0) {
      budget.give(bytes.length);
      if (this.#wasReleased) this.#unasked += bytes.length;
      const frame = encodeAgent.shellOutput(session.id, bytes);
      session.pace.changed();
      return frame;
    }
    session.release();
    const { exitCode, signal } = session.end ?? { exitCode: null, signal: null };
    return encodeAgent.shellStopped(session.id, { exit_code: exitCode, signal });
  }

  // --- internal ---

  /** Room of its own, and of the common budget; one chunk each is always allowed, so that no session starves. */
  get #hasRoom(): boolean {
    const { bound, budget } = this.#options;
    if (this.#buffer.length < 4) return true;
    if (this.#buffer.length >= bound) return false;
    if (!budget.hasRoom) this.#awaitBudget();
    return budget.hasRoom;
  }

  #want(wanted: boolean): void {
    if (!this.#isOn || wanted === this.#isWanted) return;
    this.#isWanted = wanted;
    if (wanted) this.#catchUp(TOO_SLOW);
    else this.#at -= this.#clear();
  }

  #awaitBudget(): void {
    if (this.#waitsForBudget) return;
    this.#waitsForBudget = true;
    this.#options.budget.onRoom(() => {
      this.#waitsForBudget = false;
      this.#options.session.pace.changed();
    });
  }

  #changed(): void {
    if (this.pending > 0) this.#options.sender.ready(this);
    this.#options.session.pace.changed();
  }

  #release(): void {
    this.#timer = null;
    this.#isHeld = false;
    this.#wasReleased = true;
    this.#changed();
  }

  #stopTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#options.budget.take(bytes.length);
    this.#buffer.push(bytes);
  }

  #clear(): number {
    const { length } = this.#buffer;
    this.#options.budget.give(length);
    this.#buffer.clear();
    return length;
  }

  /** From `#at` on, or the last lines where that is too much. */
  #catchUp(why: string): void {
    const { session, bound } = this.#options;
    const { ring } = session;
    const missed = ring.end - this.#at;
    this.#at = ring.end;
    if (missed <= Math.min(bound, ring.length)) {
      this.#push(replayable(ring.read(ring.end - missed, missed)));
      return;
    }
    const recent = recentLines(ring);
    this.#push(marker(missed - recent.length, why));
    this.#push(recent);
  }

  #skip(): void {
    this.#push(marker(this.#clear(), TOO_SLOW));
  }
}

// --- internal ---

const FULL: Credit = { consumed: -1, limit: -1 };

const TOO_SLOW = "this connection is too slow";

function marker(lost: number, why: string): Uint8Array {
  return Buffer.from(`\x18\x1b[0m\r\n[rexec: ${counted(lost, "byte")} of output skipped, ${why}]\r\n`);
}
