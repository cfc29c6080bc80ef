/** Time as a link needs it, so that a test can own it. */

/** A clock and its timers. Each call that puts work off gives a function that cancels it. */
export interface LinkClock {
  /** Monotonic, ms. */
  now(): number;
  after(ms: number, work: () => void): () => void;
  /** When what has arrived by now was read: between two such calls other sockets have their turn. */
  nextTurn(work: () => void): () => void;
}

/** That of the runtime: Bun's, or a browser's. */
export const runtimeClock: LinkClock = {
  now: () => performance.now(),
  after(ms, work) {
    const timer = setTimeout(work, ms);
    return () => clearTimeout(timer);
  },
  nextTurn(work) {
    if (typeof setImmediate !== "function") return runtimeClock.after(0, work);
    const immediate = setImmediate(work);
    return () => clearImmediate(immediate);
  },
};
