/** What of a session's output a server of rexec.v1 has not taken: kept up to a bound, beyond which the terminal waits. */

import { counted } from "../../lib/count.ts";
import { OUTPUT_CHUNK_BYTES } from "../../protocol/limits.ts";
import type { ByteRing } from "../../stream/byte-ring.ts";
import type { SavedFeed } from "../restart/schema.ts";
import type { ByteBudget } from "../sessions/byte-budget.ts";
import { recentLines, replayable } from "../sessions/session-text.ts";
import { OutputBuffer } from "./output-buffer.ts";

/**
 * A server that names no session for so long gets the output all the same, ms: it may keep it for viewers by itself. If
 * it names the session later, it gets again what it had no viewer for.
 */
const HELD_MS = 2_000;

export class V1Feed {
  readonly #buffer = new OutputBuffer();
  readonly #budget: ByteBudget;
  readonly #bound: number;
  #isOn = false;
  /** @transient the session wants all before it is saved */
  #isWanted = true;
  /** Bytes that came while nobody took them: the last ones of the ring. @transient in the buffer before it is saved */
  #missed = 0;
  /** The server has not named the session since it was connected to: it may have no viewer of it yet. @transient of one connection */
  #isHeld = false;
  /** Bytes that it was sent all the same. @transient of one connection */
  #unasked = 0;
  /** @transient of one connection */
  #wasReleased = false;
  /** @transient of one connection */
  #timer: Timer | null = null;
  readonly #onRelease: () => void;

  /**
   * @param bound bytes that are kept
   * @param onRelease told when the server gets what it has not asked for
   */
  constructor(budget: ByteBudget, bound: number, onRelease: () => void) {
    this.#budget = budget;
    this.#bound = bound;
    this.#onRelease = onRelease;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Another server is connected to. @param isHeld it gets nothing before it names the session */
  connect(isHeld: boolean): void {
    this.#stopTimer();
    this.#isHeld = isHeld;
    this.#wasReleased = false;
    this.#unasked = 0;
    if (isHeld) this.#timer = setTimeout(() => this.#release(), HELD_MS);
  }

  /** The server named the session: it gets what it has not been sent, fit to be shown late, or the end of it. */
  name(ring: ByteRing): void {
    if (this.#isHeld) {
      const late = this.#buffer.copy();
      this.#clear();
      this.#push(replayable(late));
    } else if (this.#unasked > 0) {
      this.#missed = this.#unasked + this.#clear();
      this.#catchUp(ring, "no viewer was there");
    }
    this.#stopTimer();
    this.#isHeld = false;
    this.#wasReleased = false;
    this.#unasked = 0;
  }

  /** There is a server of rexec.v1 that is told all. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** Somebody takes what it is told. */
  get isWanted(): boolean {
    return this.#isOn && this.#isWanted;
  }

  /** Nothing is sent while it is not wanted; afterwards what was missed, or its end with word of how much it was. */
  want(wanted: boolean, ring: ByteRing): void {
    if (!this.#isOn || wanted === this.#isWanted) return;
    this.#isWanted = wanted;
    if (wanted) this.#catchUp(ring, TOO_SLOW);
    else this.#missed = this.#clear();
  }

  /** Begins with what was printed last. */
  begin(ring: ByteRing): void {
    this.#isOn = true;
    this.#push(recentLines(ring));
  }

  /** Bytes that can be sent; at the end of the session also those of an unfinished character. */
  pending(isFinal: boolean): number {
    if (this.#isHeld) return 0;
    return this.#buffer.canTake(isFinal) ? this.#buffer.length : 0;
  }

  /** The next of them, empty where there are none. */
  take(isFinal: boolean): Uint8Array {
    if (this.#isHeld) return NOTHING;
    const bytes = this.#buffer.take(OUTPUT_CHUNK_BYTES, isFinal);
    this.#budget.give(bytes.length);
    if (this.#wasReleased) this.#unasked += bytes.length;
    return bytes;
  }

  /**
   * @param isLed somebody else sets the pace: what waits here gives way to word of how much it was
   * @returns whether there is something to send
   */
  push(chunk: Uint8Array, isLed: boolean): boolean {
    if (!this.#isWanted) {
      this.#missed += chunk.length;
      return false;
    }
    if (isLed && this.#buffer.length + chunk.length > 2 * this.#bound) this.#skip();
    this.#push(chunk);
    return !this.#isHeld && this.#buffer.canTake(false);
  }

  /** Room of its own, and of the common budget; one chunk each is always allowed, so that nobody starves. */
  get wantsMore(): boolean {
    if (!this.isWanted) return false;
    if (this.#buffer.length < 4) return true;
    return this.#buffer.length < this.#bound && this.#budget.hasRoom;
  }

  save(): Required<SavedFeed> {
    return { isForV1: this.#isOn, buffer: this.#buffer.copy() };
  }

  restore({ isForV1, buffer }: SavedFeed): void {
    this.#isOn = isForV1;
    this.#push(buffer);
  }

  // --- internal ---

  #release(): void {
    this.#timer = null;
    this.#isHeld = false;
    this.#wasReleased = true;
    this.#onRelease();
  }

  #stopTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#budget.take(bytes.length);
    this.#buffer.push(bytes);
  }

  #clear(): number {
    const { length } = this.#buffer;
    this.#budget.give(length);
    this.#buffer.clear();
    return length;
  }

  #catchUp(ring: ByteRing, why: string): void {
    const missed = this.#missed;
    this.#missed = 0;
    if (missed <= Math.min(this.#bound, ring.length)) {
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

const NOTHING = new Uint8Array(0);

const TOO_SLOW = "this connection is too slow";

function marker(lost: number, why: string): Uint8Array {
  return Buffer.from(`\x18\x1b[0m\r\n[rexec: ${counted(lost, "byte")} of output skipped, ${why}]\r\n`);
}
