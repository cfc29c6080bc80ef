/** What of a session's output a server of rexec.v1 has not taken: kept up to a bound, beyond which the terminal waits. */

import type { ByteRing } from "../lib/byte-ring.ts";
import { counted } from "../lib/count.ts";
import { OUTPUT_CHUNK_BYTES } from "../protocol/limits.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { OutputBuffer } from "./output-buffer.ts";
import type { SavedSession } from "./restart/schema.ts";
import { recentLines } from "./session-text.ts";

export class V1Feed {
  readonly #buffer = new OutputBuffer();
  readonly #budget: ByteBudget;
  readonly #bound: number;
  #isOn = false;
  #isWanted = true;
  /** Bytes that came while nobody took them: the last ones of the ring. */
  #missed = 0;

  /** @param bound bytes that are kept */
  constructor(budget: ByteBudget, bound: number) {
    this.#budget = budget;
    this.#bound = bound;
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
    if (wanted) this.#catchUp(ring);
    else this.#missed = this.#clear();
  }

  /** Begins with what was printed last. */
  begin(ring: ByteRing): void {
    this.#isOn = true;
    this.#push(recentLines(ring));
  }

  /** Bytes that can be sent; at the end of the session also those of an unfinished character. */
  pending(isFinal: boolean): number {
    return this.#buffer.canTake(isFinal) ? this.#buffer.length : 0;
  }

  /** The next of them, empty where there are none. */
  take(isFinal: boolean): Uint8Array {
    const bytes = this.#buffer.take(OUTPUT_CHUNK_BYTES, isFinal);
    this.#budget.give(bytes.length);
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
    return this.#buffer.canTake(false);
  }

  /** Room of its own, and of the common budget; one chunk each is always allowed, so that nobody starves. */
  get wantsMore(): boolean {
    if (!this.isWanted) return false;
    if (this.#buffer.length < 4) return true;
    return this.#buffer.length < this.#bound && this.#budget.hasRoom;
  }

  save(): Pick<SavedSession, "isForV1" | "buffer"> {
    return { isForV1: this.#isOn, buffer: this.#buffer.copy() };
  }

  restore({ isForV1, buffer }: Pick<SavedSession, "isForV1" | "buffer">): void {
    this.#isOn = isForV1;
    this.#push(buffer);
  }

  // --- internal ---

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

  #catchUp(ring: ByteRing): void {
    const missed = this.#missed;
    this.#missed = 0;
    if (missed <= Math.min(this.#bound, ring.length)) {
      this.#push(ring.read(ring.end - missed, missed));
      return;
    }
    const recent = recentLines(ring);
    this.#push(marker(missed - recent.length));
    this.#push(recent);
  }

  #skip(): void {
    this.#push(marker(this.#clear()));
  }
}

// --- internal ---

function marker(lost: number): Uint8Array {
  return Buffer.from(
    `\x18\x1b[0m\r\n[rexec: ${counted(lost, "byte")} of output skipped, this connection is too slow]\r\n`,
  );
}
