/**
 * Reads a master that pours. Bun's stream (1.4.5) reads on until a terminal is empty or 128 KB are there, and a program
 * that writes all the time refills it meanwhile: 2 to 4 ms, and as much again where two pour, in which this process does
 * nothing else (measured with perf trace: of the 4 ms that an echo beside a flood took, 3 were that). Here a turn has a
 * bound. For a flood only: nothing in Bun tells when a descriptor is readable, so whoever reads like this has to look.
 */
import { ptr } from "bun:ffi";
import { eventLoops, libc } from "./libc.ts";

/** A turn: so many bytes, or so long, ms. */
const TURN_BYTES = 32 * 1024;
const TURN_MS = 0.5;
/** It ends before that where the event loop has something to do, which is looked at this often, ms. */
const LOOK_MS = 0.1;
/** How long a turn waits where there is nothing, ns: the kernel passes on 4 KB at a time, some 20 µs apart. */
const WAIT_NS = 50_000n;
/** Silence that ends it, ms. */
const SILENCE_MS = 4;

const NO_TIME = BigInt64Array.of(0n, 0n);

const POLLIN = 1;
/** Bytes of `struct pollfd`, in 32-bit words: the descriptor, then what is asked for and what is found. */
const POLLFD_WORDS = 2;

export class BurstReader {
  /** Where it reads to, turn by turn: a flood leaves no garbage behind. */
  readonly buffer = new Uint8Array(TURN_BYTES);
  readonly #fd: number;
  readonly #polled: Int32Array;
  /** Of `#polled` those of the event loop. */
  readonly #loops: Int32Array;
  readonly #timeout = BigInt64Array.of(0n, WAIT_NS);
  #lastAt = performance.now();
  #over = false;

  /** @param fd a master, O_NONBLOCK; nobody else reads it meanwhile */
  constructor(fd: number) {
    this.#fd = fd;
    // A wait also ends where the event loop has something to do.
    this.#polled = Int32Array.from([fd, ...eventLoops()].flatMap((each) => [each, POLLIN]));
    this.#loops = this.#polled.subarray(POLLFD_WORDS);
  }

  /**
   * What there is now, at most `TURN_BYTES`, maybe nothing, in `buffer`, so true until the next call; null where it does
   * not pour any more, or was hung up, so that it is to be read as before. To be called once a turn of the event loop.
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
      // What is there is sent while the kernel passes on more: waiting for that here made it a fifth slower.
      else if (length > 0 || !this.#wait()) break;
      const now = performance.now();
      if (now > deadline) break;
      if (now < look) continue;
      if (this.#isWanted()) break;
      look = now + LOOK_MS;
    }
    return length;
  }

  /** Whether the event loop has something else to do: a key must not wait for the rest of a turn. */
  #isWanted(): boolean {
    const loops = this.#loops;
    return libc().ppoll(loops, loops.length / POLLFD_WORDS, NO_TIME, null) > 0;
  }

  /** Whether there is more. */
  #wait(): boolean {
    const polled = this.#polled;
    if (libc().ppoll(polled, polled.length / POLLFD_WORDS, this.#timeout, null) <= 0) return false;
    const found = (polled[1] ?? 0) >> 16;
    if ((found & POLLIN) !== 0) return true;
    this.#over = found !== 0;
    return false;
  }
}

/** Tells by what was read whether a terminal pours. */
export class BurstGauge {
  #since = 0;
  #bytes = 0;

  /** To be told of each chunk. */
  pours(bytes: number): boolean {
    const now = performance.now();
    if (now - this.#since > GAUGE_MS) {
      this.#since = now;
      this.#bytes = 0;
    }
    this.#bytes += bytes;
    return this.#bytes >= GAUGE_BYTES;
  }
}

/** More than a full-screen program draws at once, in the time of a picture. */
const GAUGE_BYTES = 128 * 1024;
const GAUGE_MS = 16;
