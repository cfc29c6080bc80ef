/** The last output of a session under running offsets: for viewers that come back after a drop, and for new ones. */

import { replayOf } from "../../lib/replay.ts";
import { ByteRing } from "../../stream/byte-ring.ts";

/** Most bytes of UTF-8 that are kept of a session, and of all sessions of an agent. */
const CAPACITY = 256 * 1024;
const CAPACITY_OF_AGENT = 16 * 1024 * 1024;
/** What a new viewer is shown of it, bytes: a few screens. */
const RECENT = 16 * 1024;
/** A program took the alternate screen, or gave it back. */
const ALTERNATE_SCREEN = /\x1b\[\?(?:1049|1047|47)([hl])/g;
const LONGEST_SWITCH = "\x1b[?1049h".length;
/** Viewers whose place is remembered. */
const MAX_PLACES = 64;
const LINE_FEED = 10;

/** Bytes that a session may keep where an agent has so many. */
export function backlogShare(sessions: number): number {
  return Math.min(CAPACITY, Math.floor(CAPACITY_OF_AGENT / Math.max(1, sessions)));
}

/** Owned by a v1 session. Offsets in bytes of UTF-8. */
export class Backlog {
  readonly #ring: ByteRing;
  #shellStart = 0;
  #alternate = false;
  #lastUnits = "";
  readonly #places = new Map<string, number>();

  /** @param capacity bytes that are kept: the newest */
  constructor(capacity = CAPACITY) {
    this.#ring = new ByteRing(capacity);
  }

  append(text: string): void {
    this.#ring.append(Buffer.from(text));
    this.#watchScreen(text);
  }

  /** Remembers that this viewer has been sent everything up to now. */
  leave(viewerId: string): void {
    this.#places.delete(viewerId);
    this.#places.set(viewerId, this.#ring.end);
    for (const [oldest] of this.#places) {
      if (this.#places.size <= MAX_PLACES) break;
      this.#places.delete(oldest);
    }
  }

  /**
   * What came since this viewer left, fit to be shown again; `lost` bytes of it are gone. Nothing for one that was not
   * here before.
   */
  comeBack(viewerId: string): { text: string; lost: number; known: boolean } {
    const place = this.#places.get(viewerId);
    this.#places.delete(viewerId);
    if (place === undefined) return { text: "", lost: 0, known: false };
    return { text: this.#replay(place), lost: Math.max(0, this.#ring.start - place), known: true };
  }

  /** Its shell ended: what comes from now on is another one's. */
  shellEnded(): void {
    this.#shellStart = this.#ring.end;
    this.#alternate = false;
  }

  /**
   * What a viewer that was not here before is shown: the last lines, from the beginning of one. Nothing of a program
   * on the alternate screen, whose text means nothing without all that came before it; it draws itself anew when the
   * size changes.
   */
  recent(): string {
    if (this.#alternate) return "";
    const { start, end } = this.#ring;
    if (end - this.#shellStart <= RECENT && start <= this.#shellStart) return this.#replay(this.#shellStart);
    const from = Math.max(start, this.#shellStart, end - RECENT);
    const line = this.#ring.read(from, RECENT).indexOf(LINE_FEED);
    return line < 0 ? "" : `\x1b[0m${this.#replay(from + line + 1)}`;
  }

  // --- internal ---

  /** What came from this offset on; before it, the present shell's output is looked at and not shown. */
  #replay(from: number): string {
    const first = Math.max(this.#ring.start, from);
    const before = Math.min(first, Math.max(this.#ring.start, this.#shellStart));
    return replayOf(this.#text(before, first), this.#text(first, this.#ring.end));
  }

  #text(from: number, to: number): string {
    const bytes = this.#ring.read(from, to - from);
    // Where the oldest output was overwritten, the rest may begin in the middle of a character.
    const whole = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80);
    return Buffer.from(bytes.buffer, Math.max(0, whole)).toString();
  }

  #watchScreen(text: string): void {
    const seen = this.#lastUnits + text;
    for (const [, to] of seen.matchAll(ALTERNATE_SCREEN)) this.#alternate = to === "h";
    this.#lastUnits = seen.slice(1 - LONGEST_SWITCH);
  }
}
