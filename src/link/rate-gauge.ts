/**
 * How much may be on its way by a line, in bytes as they travel. A reader's window counts plain bytes, and where output
 * shrinks to a hundredth it grows to its largest on the slowest line: what comes next may not shrink, and would stand
 * there for ten seconds. Nor can the socket say it: what the kernel has taken stands in buffers of megabytes.
 */
import { type CreditOptions, CreditWindow } from "../stream/credit.ts";

/** What kind of line it is. */
export interface RateGaugeOptions {
  credit?: CreditOptions;
  /** A window is 0.3 s of the measured rate: below this one the line counts as slow, bytes. */
  slowWindow: number;
  /** Of a frame and of what is around it, about, bytes. */
  headerBytes: number;
}

/** The window of one line. Its owner knows by what the arrival of bytes shows: acks, or pings between the frames. */
export class RateGauge {
  readonly #options: RateGaugeOptions;
  readonly #window: CreditWindow;
  #sent = 0;

  constructor(options: RateGaugeOptions) {
    this.#options = options;
    this.#window = new CreditWindow(0, options.credit);
  }

  /** Bytes that may be on their way. */
  get window(): number {
    return this.#window.window;
  }

  /** More output may be sent. */
  get hasRoom(): boolean {
    return this.#sent < this.#window.limit;
  }

  /** Compressing is worth its time. True until the line, and its reader, have been seen to be faster. */
  get isSlow(): boolean {
    return this.#window.window < this.#options.slowWindow;
  }

  /** A frame of so many bytes was sent. @returns the total with it */
  sent(bytes: number): number {
    this.#sent += bytes + this.#options.headerBytes;
    return this.#sent;
  }

  /**
   * Everything up to this total has arrived.
   * @param now any monotonic clock, ms
   * @param rtt ms, where it is known
   * @param isBusy more was on its way all the time since the last arrival
   */
  arrived(total: number, now: number, rtt = 0, isBusy = false): void {
    this.#window.advance(total, now, rtt, isBusy);
  }
}
