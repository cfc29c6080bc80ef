/**
 * How much may be on its way to a server, measured by pings between the frames: an answer says that all before it has
 * arrived. For a sender of many streams, whose acks come from different readers.
 */
import { CREDIT } from "../stream/credit.ts";
import { RateGauge } from "./rate-gauge.ts";

/** As for a reader, but a connection may have many of them. Slow is less than 1 MB/s. */
const GAUGE = { credit: { ...CREDIT, maxBytes: 4 * 1024 * 1024 }, slowWindow: 300 * 1000, headerBytes: 8 };
/** A ping each time that this part of a window was sent. */
const PINGS_A_WINDOW = 4;
/** And one after this time with more than an echo in it: a window of megabytes says nothing of a line that has become slow. */
const PING_MS = 100;
const PING_BYTES = 8 * 1024;
/** Something on the way swallows pings: then there is no measure, and no bound but the socket's own, ms. */
const UNANSWERED_MS = 3_000;
/** Pings that wait for an answer: a line has a dozen under way, and one that swallows them gets no more. */
const MAX_MARKS = 256;

interface Mark {
  id: string;
  /** Bytes sent up to here. */
  sent: number;
  /** performance.now() */
  at: number;
}

/** Owned by one connection to a server. */
export class PingGauge {
  readonly #ping: (id: string) => void;
  readonly #gauge = new RateGauge(GAUGE);
  readonly #marks: Mark[] = [];
  #marked = 0;
  #markedAt = 0;
  #next = 1;
  /** Something else was on its way when the last answer came. */
  #wasBusy = false;
  /** The shortest seen: what stands in buffers is not the line's own, ms. */
  #rtt = Number.POSITIVE_INFINITY;

  /** @param ping sends one with this text in it */
  constructor(ping: (id: string) => void) {
    this.#ping = ping;
  }

  /** More output may be sent. */
  get hasRoom(): boolean {
    if (this.#gauge.hasRoom) return true;
    const [oldest] = this.#marks;
    return !oldest || performance.now() - oldest.at > UNANSWERED_MS;
  }

  /** Compressing is worth its time. True until the line has been seen to be faster. */
  get isSlow(): boolean {
    return this.#gauge.isSlow;
  }

  /** A frame of so many bytes was sent. */
  sent(bytes: number): void {
    const total = this.#gauge.sent(bytes);
    const full = !this.#gauge.hasRoom && this.#marks.length === 0;
    const now = performance.now();
    const unmarked = total - this.#marked;
    const due = unmarked >= PING_BYTES && now - this.#markedAt >= PING_MS;
    if (!full && !due && unmarked < this.#gauge.window / PINGS_A_WINDOW) return;
    if (this.#marks.length >= MAX_MARKS) return;
    const id = String(this.#next);
    this.#next += 1;
    this.#marked = total;
    this.#markedAt = now;
    this.#marks.push({ id, sent: total, at: now });
    this.#ping(id);
  }

  /** The ping with this text was answered; it stands for those before it too. */
  answered(id: string): void {
    const at = this.#marks.findIndex((mark) => mark.id === id);
    if (at < 0) return;
    const mark = this.#marks.splice(0, at + 1).at(-1);
    if (!mark) return;
    const now = performance.now();
    this.#rtt = Math.min(this.#rtt, now - mark.at);
    this.#gauge.arrived(mark.sent, now, this.#rtt, this.#wasBusy);
    this.#wasBusy = this.#marks.length > 0;
  }
}
