/** The last bytes of a stream, in a buffer that is written over. */

/** First size of a buffer, bytes. */
const SMALLEST = 4096;

/**
 * The last bytes of a stream under absolute offsets: what was appended first is at offset 0 for good, whatever has
 * been overwritten since. Memory grows with use up to the capacity.
 */
export class ByteRing {
  #buffer = new Uint8Array(0);
  #capacity: number;
  #start: number;
  #end: number;

  /**
   * @param capacity most bytes that are kept
   * @param origin offset of the first byte: not 0 where a stream is joined in its middle
   */
  constructor(capacity: number, origin = 0) {
    this.#capacity = capacity;
    this.#start = origin;
    this.#end = origin;
  }

  /** Offset of the oldest byte kept. */
  get start(): number {
    return this.#start;
  }

  /** Offset behind the newest byte: how long the stream is so far. */
  get end(): number {
    return this.#end;
  }

  /** Bytes kept. */
  get length(): number {
    return this.#end - this.#start;
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** Bytes of memory: no more than the capacity. */
  get memory(): number {
    return this.#buffer.length;
  }

  /** Adds bytes at the end; the oldest make room. */
  append(bytes: Uint8Array): void {
    const kept = bytes.length > this.#capacity ? bytes.subarray(bytes.length - this.#capacity) : bytes;
    this.#end += bytes.length;
    this.#start = Math.max(this.#start, this.#end - this.#capacity);
    const first = this.#end - kept.length;
    if (kept.length === bytes.length) this.#reserve(this.#end - this.#start, first);
    else this.#reserve(kept.length, first);
    this.#place(kept, first);
  }

  /**
   * A copy of up to `max` bytes from `from` on; empty at the end.
   * @throws RangeError where `from` is outside `start`…`end`: the caller has to look first
   */
  read(from: number, max: number): Uint8Array<ArrayBuffer> {
    this.#check(from);
    const length = Math.min(max, this.#end - from);
    const copy = new Uint8Array(length);
    if (length === 0) return copy;
    const at = from % this.#buffer.length;
    const head = Math.min(length, this.#buffer.length - at);
    copy.set(this.#buffer.subarray(at, at + head));
    copy.set(this.#buffer.subarray(0, length - head), head);
    return copy;
  }

  /**
   * As `read`, without a copy: a view that is true until the ring changes. It ends where the buffer does, so it may be
   * shorter than what there is, and is empty only at the end.
   */
  view(from: number, max: number): Uint8Array<ArrayBuffer> {
    this.#check(from);
    const length = Math.min(max, this.#end - from);
    if (length <= 0) return this.#buffer.subarray(0, 0);
    const at = from % this.#buffer.length;
    return this.#buffer.subarray(at, Math.min(at + length, this.#buffer.length));
  }

  /** All that is kept, as views that are true until the ring changes. */
  parts(): Uint8Array<ArrayBuffer>[] {
    const head = this.view(this.#start, this.length);
    const tail = this.view(this.#start + head.length, this.length);
    return [head, tail].filter(({ length }) => length > 0);
  }

  /**
   * Forgets everything before `offset`.
   * @param keepsMemory where more is about to come; otherwise that of a ring that became empty is let go
   */
  discardBefore(offset: number, keepsMemory = false): void {
    this.#start = Math.min(this.#end, Math.max(this.#start, offset));
    if (this.#start === this.#end && !keepsMemory) this.#buffer = new Uint8Array(0);
  }

  /** Forgets everything and goes on at another offset: before or behind what it had. */
  restart(origin: number): void {
    this.#buffer = new Uint8Array(0);
    this.#start = origin;
    this.#end = origin;
  }

  /** Another capacity; a smaller one forgets the oldest bytes at once. */
  resize(capacity: number): void {
    this.#capacity = capacity;
    this.#start = Math.max(this.#start, this.#end - capacity);
    if (this.#buffer.length > capacity) this.#relocate(capacity, this.#end);
  }

  // --- internal ---

  #check(from: number): void {
    if (from < this.#start || from > this.#end)
      throw new RangeError(`offset ${from} is outside ${this.#start} to ${this.#end}`);
  }

  #reserve(length: number, heldUntil: number): void {
    if (length <= this.#buffer.length) return;
    const doubled = Math.max(SMALLEST, this.#buffer.length * 2, length);
    this.#relocate(Math.min(this.#capacity, doubled), heldUntil);
  }

  /** Moves what is kept, up to `heldUntil`, into a buffer of another size. */
  #relocate(size: number, heldUntil: number): void {
    const end = this.#end;
    this.#end = heldUntil;
    const held =
      heldUntil > this.#start ? this.read(this.#start, heldUntil - this.#start) : new Uint8Array(0);
    this.#end = end;
    this.#buffer = new Uint8Array(size);
    this.#place(held, this.#start);
  }

  #place(bytes: Uint8Array, offset: number): void {
    if (bytes.length === 0) return;
    const at = offset % this.#buffer.length;
    const head = this.#buffer.length - at;
    if (bytes.length <= head) {
      this.#buffer.set(bytes, at);
      return;
    }
    this.#buffer.set(bytes.subarray(0, head), at);
    this.#buffer.set(bytes.subarray(head), 0);
  }
}
