/**
 * When output is over although the terminal is not: a background process can keep it open long after the shell has
 * exited, silent or writing. What the shell itself wrote is in the kernel's buffer by then (under 200 KB, measured).
 * So after the exit reading goes on until nothing comes for a moment, within a budget of bytes and of waiting.
 */

/** Milliseconds of silence that end it. */
const SILENCE_MS = 100;
/** Bytes that may still come after the exit, several times what the kernel can hold. */
const MAX_BYTES = 1 << 20;
/** Milliseconds that may be spent waiting for them, all together. */
const MAX_WAIT_MS = 1_000;

/** Watches the reading of one PTY and calls `onOver` at most once, after the leader has exited. */
export class Tail {
  readonly #onOver: () => void;
  #exited = false;
  #waitingSince: number | null = null;
  #bytesLeft = MAX_BYTES;
  #msLeft = MAX_WAIT_MS;
  #timer: Timer | null = null;

  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /** The leader has been waited for. */
  leaderExited(): void {
    this.#exited = true;
    if (this.#waitingSince !== null) this.waiting();
  }

  /** The reader waits for output from now on; time in which nobody reads does not count. */
  waiting(): void {
    this.#waitingSince = performance.now();
    if (!this.#exited) return;
    this.#disarm();
    if (this.#bytesLeft <= 0 || this.#msLeft <= 0) {
      this.#over();
      return;
    }
    const half = Math.min(SILENCE_MS, this.#msLeft) / 2;
    // Two timers: after a pause of the event loop the first may run before output that is there already.
    this.#timer = setTimeout(() => {
      this.#timer = setTimeout(() => this.#over(), half);
    }, half);
  }

  /** Output came. */
  saw(bytes: number): void {
    this.#disarm();
    if (this.#exited) {
      this.#bytesLeft -= bytes;
      this.#msLeft -= performance.now() - (this.#waitingSince ?? performance.now());
    }
    this.#waitingSince = null;
  }

  /** The end came otherwise. */
  stop(): void {
    this.#disarm();
    this.#waitingSince = null;
  }

  #over(): void {
    this.stop();
    this.#onOver();
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
