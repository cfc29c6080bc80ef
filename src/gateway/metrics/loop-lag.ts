/** How late the event loop is: everything that the gateway does waits for it. */

/** Between two looks, milliseconds. */
const LOOK_MS = 500;
/** The worst of so many looks is told: one minute. */
const LOOKS = 120;

/** Measures by how much a timer is late. Owned by the gateway, which stops it. */
export class LoopLag {
  readonly #timer: Timer;
  readonly #lags = new Float64Array(LOOKS);
  #index = 0;
  #expected = performance.now() + LOOK_MS;

  constructor() {
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  /** Seconds of the last look, or those that the loop is late by now. */
  get seconds(): number {
    const last = this.#lags[(this.#index + LOOKS - 1) % LOOKS] ?? 0;
    return Math.max(last, this.#late()) / 1000;
  }

  /** The most seconds of the last minute. */
  get worstSeconds(): number {
    return Math.max(...this.#lags, this.#late()) / 1000;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  // --- internal ---

  #look(): void {
    this.#lags[this.#index] = this.#late();
    this.#index = (this.#index + 1) % LOOKS;
    this.#expected = performance.now() + LOOK_MS;
  }

  #late(): number {
    return Math.max(0, performance.now() - this.#expected);
  }
}
