/** A log that a hostile peer can't fill: so many lines a while, and then how many were left out. */

const LINES = 5;
const WHILE_MS = 10_000;

/** Five lines in ten seconds, then a count. Owned by the code that logs for one peer. */
export class LogLimiter {
  readonly #write: (line: string) => void;
  readonly #now: () => number;
  #since = Number.NEGATIVE_INFINITY;
  #count = 0;

  constructor(write: (line: string) => void, now: () => number = () => performance.now()) {
    this.#write = write;
    this.#now = now;
  }

  say(line: string): void {
    const now = this.#now();
    if (now - this.#since >= WHILE_MS) {
      if (this.#count > LINES) this.#write(`${this.#count - LINES} more lines like these were left out`);
      this.#since = now;
      this.#count = 0;
    }
    this.#count += 1;
    if (this.#count <= LINES) this.#write(line);
  }
}
