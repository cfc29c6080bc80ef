/** One direction of a proxied connection: late, slow and in pieces as the line says, and never far ahead of it. */
import type { Socket } from "node:net";

/** What befalls all connections of a proxy in one direction. */
export class Line {
  /** Nothing passes. */
  stalled = false;
  latencyMs = 0;
  /** Most bytes of one write; 0 for as they come. */
  most = 0;
  /** Even in [0, 1): the sizes of the pieces. */
  random: () => number = Math.random;
  /** Bytes that have passed so far. */
  passed = 0;
  #rate = 0;
  #tokens = 0;
  #filledAt = 0;

  /** Bytes per second; 0 for no limit. All connections share them. */
  get rate(): number {
    return this.#rate;
  }

  set rate(bytesPerSecond: number) {
    this.#rate = bytesPerSecond;
    this.#tokens = 0;
    this.#filledAt = performance.now();
  }

  /** How many of `wanted` bytes may pass now, or in how many ms to ask again. */
  allowance(wanted: number): { bytes: number; waitMs: number } {
    if (this.#rate === 0) return { bytes: wanted, waitMs: 0 };
    const now = performance.now();
    // What was not used is not saved up beyond 20 ms: a line has no memory.
    const most = Math.max(PACKET, this.#rate * 0.02);
    this.#tokens = Math.min(most, this.#tokens + ((now - this.#filledAt) * this.#rate) / 1000);
    this.#filledAt = now;
    const piece = Math.min(wanted, PACKET);
    if (this.#tokens < piece)
      return { bytes: 0, waitMs: Math.ceil(((piece - this.#tokens) * 1000) / this.#rate) };
    this.#tokens -= piece;
    return { bytes: piece, waitMs: 0 };
  }
}

export class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #line: Line;
  readonly #passed: () => void;
  #queue: { bytes: Uint8Array; dueMs: number }[] = [];
  #queued = 0;
  #timer: Timer | null = null;
  #draining = false;
  #waits = false;
  #ended = false;
  #dead = false;

  /** @param passed called whenever bytes have passed */
  constructor(from: Socket, to: Socket, line: Line, passed: () => void) {
    this.#from = from;
    this.#to = to;
    this.#line = line;
    this.#passed = passed;
    from.on("data", (bytes: Buffer) => this.#take(bytes));
    from.on("end", () => {
      this.#ended = true;
      this.pump();
    });
    to.on("drain", () => {
      this.#draining = false;
      this.pump();
    });
  }

  /** Sends what may be sent; to be called when the line has become better. */
  pump(): void {
    if (this.#dead || this.#line.stalled || this.#draining || this.#waits || this.#timer) return;
    for (let head = this.#queue[0]; head; head = this.#queue[0]) {
      const early = head.dueMs - performance.now();
      if (early > 0) {
        this.#later(early);
        return;
      }
      const wanted = Math.min(head.bytes.length, this.#pieceSize());
      const { bytes, waitMs } = this.#line.allowance(wanted);
      if (bytes === 0) {
        this.#later(waitMs);
        return;
      }
      this.#send(head, bytes);
      if (this.#draining) return;
      // Pieces that are written at once arrive as one.
      if (this.#line.most > 0) {
        this.#soon();
        return;
      }
    }
    if (this.#ended) this.#to.end();
  }

  /** What is under way is lost, and nothing comes after it. */
  kill(): void {
    this.#dead = true;
    this.#queue = [];
    if (this.#timer) clearTimeout(this.#timer);
  }

  // --- internal ---

  #take(bytes: Uint8Array): void {
    if (this.#dead) return;
    this.#queue.push({ bytes, dueMs: this.#line.latencyMs ? performance.now() + this.#line.latencyMs : 0 });
    this.#queued += bytes.length;
    this.pump();
    if (this.#queued > this.#bound()) this.#from.pause();
  }

  #send(head: { bytes: Uint8Array }, count: number): void {
    const piece = head.bytes.subarray(0, count);
    if (count === head.bytes.length) this.#queue.shift();
    else head.bytes = head.bytes.subarray(count);
    this.#queued -= count;
    this.#line.passed += count;
    this.#draining = !this.#to.write(piece);
    if (this.#queued <= this.#bound()) this.#from.resume();
    this.#passed();
  }

  /** A line holds what is on its way; a slow one must not hold seconds. */
  #bound(): number {
    const { rate, latencyMs } = this.#line;
    if (rate > 0) return Math.max(2 * PACKET, (rate * latencyMs) / 1000);
    return latencyMs > 0 ? 4 * 1024 * 1024 : 64 * 1024;
  }

  #pieceSize(): number {
    const { most, random } = this.#line;
    return most > 0 ? 1 + Math.floor(random() * most) : Number.POSITIVE_INFINITY;
  }

  /** In a moment: a timer would take a millisecond. */
  #soon(): void {
    this.#waits = true;
    setImmediate(() => {
      this.#waits = false;
      this.pump();
    });
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => this.#again(), ms);
  }

  #again(): void {
    this.#timer = null;
    this.pump();
  }
}

/** Of an Ethernet, about. */
const PACKET = 1400;
