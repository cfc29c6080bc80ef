/** Keeps an answer for a while, so that it costs no more however often it is asked for. */

/** Owned by what it answers for. While an answer is made, all requests wait for that one. */
export class Cached<T> {
  readonly #make: () => Promise<T>;
  readonly #keepMs: number;
  #made: { answer: Promise<T>; at: number } | null = null;

  /** @param keepMs milliseconds, counted from the time at which the answer was there; one that failed is not kept */
  constructor(make: () => Promise<T>, keepMs: number) {
    this.#make = make;
    this.#keepMs = keepMs;
  }

  get(): Promise<T> {
    if (this.#made && performance.now() - this.#made.at < this.#keepMs) return this.#made.answer;
    const made = { answer: this.#make(), at: Number.POSITIVE_INFINITY };
    this.#made = made;
    made.answer.then(
      () => {
        made.at = performance.now();
      },
      () => {
        if (this.#made === made) this.#made = null;
      },
    );
    return made.answer;
  }

  /** The next request gets a new answer. */
  clear(): void {
    this.#made = null;
  }
}
