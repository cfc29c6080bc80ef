/**
 * Decides when output is over after the shell's exit. A background process can keep the terminal open long after it, silent
 * or writing, and the shell's own output is in the kernel's buffer by then (under 200 KB, measured). So reading goes on
 * until a moment of silence, within a budget of bytes and of waiting.
 */

/** Milliseconds of silence that end it. */
const SILENCE_MS = 100;
/** Bytes that may still come after the exit, several times what the kernel can hold. */
const MAX_BYTES = 1 << 20;
/** Total time of waiting for them, milliseconds. */
const MAX_WAIT_MS = 1_000;

/** Watches the reads of one PTY and calls `onOver` at most once, after the leader's exit. Owned by the PTY's reader. */
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

  /** The leader has been reaped. */
  leaderExited(): void {
    this.#exited = true;
    if (this.#waitingSince !== null) this.waiting();
  }

  /** A read waits from now on; time without a pending read does not count. */
  waiting(): void {
    this.#waitingSince = performance.now();
    if (!this.#exited) return;
    this.#disarm();
    if (this.#bytesLeft <= 0 || this.#msLeft <= 0) {
      this.#over();
      return;
    }
    const half = Math.min(SILENCE_MS, this.#msLeft) / 2;
    // Two timers: after a pause of the event loop the first may run before output that is already there.
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

  /** Output ended in another way. */
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
