import type { LinkClock } from "../../src/link/clock.ts";

/** Time that a test moves: work that is due runs in order, and nothing waits for real. */
export class FakeClock implements LinkClock {
  #now = 0;
  #due: { at: number; work: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, work: () => void): () => void {
    const due = { at: this.#now + Math.max(0, ms), work };
    // Behind what is due at the same time.
    const place = this.#due.findIndex(({ at }) => at > due.at);
    this.#due.splice(place < 0 ? this.#due.length : place, 0, due);
    return () => {
      this.#due = this.#due.filter((each) => each !== due);
    };
  }

  nextTurn(work: () => void): () => void {
    return this.after(0, work);
  }

  /** Runs the next thing that is due; false where there is none. */
  step(): boolean {
    const next = this.#due.shift();
    if (!next) return false;
    this.#now = next.at;
    next.work();
    return true;
  }
}
