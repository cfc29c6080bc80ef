/**
 * How fast a line is, in bytes as they travel. A reader's window counts plain bytes, and where output shrinks
 * to a hundredth it grows to its largest on the slowest line: what comes next may not shrink, and would stand there
 * for ten seconds. So what is on its way is bounded here as well, compressed as it is, and a line counts as slow by
 * what it carries.
 */
import { CreditWindow } from "../stream/credit.ts";

/** A window that a line of less than about 1.5 MB/s has. */
const SLOW_WINDOW = 448 * 1024;
/** Of a frame and of what is around it, about. */
const HEADER_BYTES = 16;

export class WireGauge {
  #sent = 0;
  readonly #window = new CreditWindow(0);
  /** Frames that were not acknowledged: where each ends, in the stream and on the wire. */
  #marks: { end: number; wire: number }[] = [];

  /** Compressing is worth its time: the line, or whoever is behind it, takes less than it could be given. */
  get isSlow(): boolean {
    return this.#window.window < SLOW_WINDOW;
  }

  /** More may be sent. */
  get hasRoom(): boolean {
    return this.#sent < this.#window.limit;
  }

  /** To be told of each piece. @param end offset in the stream @param bytes of its payload as it travels */
  sent(end: number, bytes: number): void {
    this.#sent += bytes + HEADER_BYTES;
    this.#marks.push({ end, wire: this.#sent });
  }

  /** @param now any monotonic clock, ms */
  consumed(offset: number, now: number): void {
    const open = this.#marks.findIndex(({ end }) => end > offset);
    const done = this.#marks.splice(0, open < 0 ? this.#marks.length : open).at(-1);
    if (done) this.#window.advance(done.wire, now);
  }
}
