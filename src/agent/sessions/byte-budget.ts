/** One budget for what all sessions hold together. A session that finds it spent waits until another gives back. */

/** A number of bytes that several owners share. Owned by the code that bounds them together. */
export class ByteBudget {
  readonly total: number;
  #used = 0;
  #waiters: (() => void)[] = [];

  /** @param total bytes */
  constructor(total: number) {
    this.total = total;
  }

  get used(): number {
    return this.#used;
  }

  /** Whether there is room for more. The last one in may overshoot by its one chunk. */
  get hasRoom(): boolean {
    return this.#used < this.total;
  }

  take(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
    if (!this.hasRoom || this.#waiters.length === 0) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Calls back once, the next time that there is room. */
  onRoom(wake: () => void): void {
    this.#waiters.push(wake);
  }
}
