/**
 * Reads sustained output with a bound for each turn of the event loop. Bun's stream (1.4.5) reads on until a terminal is
 * empty or 128 KB are read, and a program in a flood refills it meanwhile: for 2 to 4 ms, and as long again for a second
 * flood, this process does nothing else (perf trace: 3 of the 4 ms of an echo beside a flood). Only for sustained output:
 * Bun reports no readiness of a descriptor, so this reader has to poll.
 */
import { ptr } from "bun:ffi";
import { eventLoops, libc } from "./libc.ts";

/** Bounds of a turn: bytes, and ms. */
const TURN_BYTES = 32 * 1024;
const TURN_MS = 0.5;
/** It ends before that where the event loop has work, which is looked at this often, ms. */
const LOOK_MS = 0.1;
/** How long a turn waits for more output, ns: the kernel passes on 4 KB at a time, some 20 µs apart. */
const WAIT_NS = 50_000n;
/** Silence that ends the burst, ms. */
const SILENCE_MS = 4;

const NO_TIME = BigInt64Array.of(0n, 0n);

const POLLIN = 1;
/** Size of `struct pollfd`, in 32-bit words: the descriptor, then the requested and the found events. */
const POLLFD_WORDS = 2;

/** Polls a master while its output is sustained. Owned by a `MasterReader`, which opens no stream meanwhile. */
export class BurstReader {
  /** Used again for every turn: a flood makes no garbage. */
  readonly buffer = new Uint8Array(TURN_BYTES);
  readonly #fd: number;
  readonly #polled: Int32Array;
  /** Of `#polled` those of the event loop. */
  readonly #loops: Int32Array;
  readonly #timeout = BigInt64Array.of(0n, WAIT_NS);
  #lastAt = performance.now();
  #over = false;

  /** @param fd a master, O_NONBLOCK, without another reader */
  constructor(fd: number) {
    this.#fd = fd;
    // A wait also ends when the event loop has work.
    this.#polled = Int32Array.from([fd, ...eventLoops()].flatMap((each) => [each, POLLIN]));
    this.#loops = this.#polled.subarray(POLLFD_WORDS);
  }

  /**
   * The output that is there, 0 to `TURN_BYTES` bytes, a view of `buffer` that the next call overwrites; null once the
   * burst has ended or the terminal hung up: then read it by a stream again. Call it once a turn of the event loop.
   */
  take(): Uint8Array | null {
    const now = performance.now();
    const length = this.#over ? 0 : this.#fill(now);
    if (length > 0) this.#lastAt = now;
    else if (this.#over || now - this.#lastAt > SILENCE_MS) return null;
    return this.buffer.subarray(0, length);
  }

  // --- internal ---

  #fill(begun: number): number {
    const deadline = begun + TURN_MS;
    let look = begun + LOOK_MS;
    const place = Number(ptr(this.buffer));
    const { read } = libc();
    let length = 0;
    while (length < TURN_BYTES) {
      const count = Number(read(this.#fd, place + length, TURN_BYTES - length));
      if (count > 0) length += count;
      // Sending overlaps with the kernel passing on more: waiting here made a flood a fifth slower.
      else if (length > 0 || !this.#wait()) break;
      const now = performance.now();
      if (now > deadline) break;
      if (now < look) continue;
      if (this.#isWanted()) break;
      look = now + LOOK_MS;
    }
    return length;
  }

  /** Whether the event loop has other work: a key must not wait for the rest of a turn. */
  #isWanted(): boolean {
    const loops = this.#loops;
    return libc().ppoll(loops, loops.length / POLLFD_WORDS, NO_TIME, null) > 0;
  }

  /** Waits a moment for more output. @returns whether there is any */
  #wait(): boolean {
    const polled = this.#polled;
    if (libc().ppoll(polled, polled.length / POLLFD_WORDS, this.#timeout, null) <= 0) return false;
    const found = (polled[1] ?? 0) >> 16;
    if ((found & POLLIN) !== 0) return true;
    this.#over = found !== 0;
    return false;
  }
}

/** Recognizes sustained output by the chunks that a stream gives. Owned by a `MasterReader`. */
export class BurstGauge {
  #since = 0;
  #bytes = 0;

  /** Call it with each chunk's size. @returns whether the output is sustained */
  isSustained(bytes: number): boolean {
    const now = performance.now();
    if (now - this.#since > GAUGE_MS) {
      this.#since = now;
      this.#bytes = 0;
    }
    this.#bytes += bytes;
    return this.#bytes >= GAUGE_BYTES;
  }
}

/** More than a full-screen program draws for one frame, in the time of a frame. */
const GAUGE_BYTES = 128 * 1024;
const GAUGE_MS = 16;
