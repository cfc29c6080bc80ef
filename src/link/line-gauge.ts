/**
 * How much may be on its way to the server, in bytes as they travel. A reader's window can't say it: that one counts plain
 * bytes, and where output shrinks to a hundredth it grows to its largest on the slowest line, and what comes next may
 * not shrink. Nor can the socket: what the kernel has taken stands in buffers of megabytes. So pings are sent between
 * the frames; an answer says that all before it has arrived.
 */
import { CREDIT, CreditWindow } from "../stream/credit.ts";

/** As for a reader, but a connection may have many of them. */
const WINDOW = { ...CREDIT, maxBytes: 4 * 1024 * 1024 };
/** A window is 0.3 s of the measured rate: below this one the line carries less than 1 MB/s, bytes. */
const SLOW_WINDOW = 300 * 1000;
/** A ping each time that this part of a window was sent. */
const PINGS_A_WINDOW = 4;
/** And one after this time with more than an echo in it: a window of megabytes says nothing of a line that has become slow. */
const PING_MS = 100;
const PING_BYTES = 8 * 1024;
/** Something on the way swallows pings: then there is no measure, and no bound but the socket's own, ms. */
const UNANSWERED_MS = 3_000;
/** Pings that wait for an answer: a line has a dozen under way, and one that swallows them gets no more. */
const MAX_MARKS = 256;
/** Of a WebSocket frame, about, bytes. */
const HEADER_BYTES = 8;

interface Mark {
  id: string;
  /** Bytes sent up to here. */
  sent: number;
  /** performance.now() */
  at: number;
}

export class LineGauge {
  readonly #ping: (id: string) => void;
  readonly #window = new CreditWindow(0, WINDOW);
  readonly #marks: Mark[] = [];
  #sent = 0;
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
    if (this.#sent < this.#window.limit) return true;
    const [oldest] = this.#marks;
    return !oldest || performance.now() - oldest.at > UNANSWERED_MS;
  }

  /** Compressing is worth its time. True until the line has been seen to be faster. */
  get isSlow(): boolean {
    return this.#window.window < SLOW_WINDOW;
  }

  /** A frame of so many bytes was sent. */
  sent(bytes: number): void {
    this.#sent += bytes + HEADER_BYTES;
    const full = this.#sent >= this.#window.limit && this.#marks.length === 0;
    const now = performance.now();
    const unmarked = this.#sent - this.#marked;
    const due = unmarked >= PING_BYTES && now - this.#markedAt >= PING_MS;
    if (!full && !due && unmarked < this.#window.window / PINGS_A_WINDOW) return;
    if (this.#marks.length >= MAX_MARKS) return;
    const id = String(this.#next);
    this.#next += 1;
    this.#marked = this.#sent;
    this.#markedAt = now;
    this.#marks.push({ id, sent: this.#sent, at: now });
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
    this.#window.advance(mark.sent, now, this.#rtt, this.#wasBusy);
    this.#wasBusy = this.#marks.length > 0;
  }
}
