/** How fast one reader takes a stream, measured by its acks: they count plain bytes, and the gauge those that travelled. */
import { RateGauge } from "./rate-gauge.ts";

/** A line of less than about 1.5 MB/s is slow. */
const GAUGE = { slowWindow: 448 * 1024, headerBytes: 16 };

/** Owned by one reader's channel; its stream has one. */
export class AckGauge {
  readonly #gauge = new RateGauge(GAUGE);
  /** Frames that were not acknowledged: where each ends, in the stream and on the wire. */
  readonly #marks: { end: number; total: number }[] = [];

  /** Compressing is worth its time. */
  get isSlow(): boolean {
    return this.#gauge.isSlow;
  }

  /** More may be sent. */
  get hasRoom(): boolean {
    return this.#gauge.hasRoom;
  }

  /** To be told of each piece. @param end offset in the stream @param bytes of its payload as it travels */
  sent(end: number, bytes: number): void {
    this.#marks.push({ end, total: this.#gauge.sent(bytes) });
  }

  /** @param now any monotonic clock, ms */
  consumed(offset: number, now: number): void {
    const open = this.#marks.findIndex(({ end }) => end > offset);
    const done = this.#marks.splice(0, open < 0 ? this.#marks.length : open).at(-1);
    if (done) this.#gauge.arrived(done.total, now);
  }
}
