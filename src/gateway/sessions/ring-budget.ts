/** The memory of all mirrors of a gateway: shared out evenly, the longest unwatched forgotten first. */

/** What takes part of it. */
export interface RingOwner {
  readonly isWatched: boolean;
  /** When it last had a reader, performance.now(). */
  readonly watchedAt: number;
  setCapacity(bytes: number): void;
  forget(): void;
}

/** A session's copy of output. */
export const RING_BYTES = 2 * 1024 * 1024;
/** A ring below this would not hold what is on its way: it is not made smaller, whatever the budget. */
const MIN_RING_BYTES = 64 * 1024;
/** Of all mirrors together. */
export const RING_BUDGET_BYTES = 256 * 1024 * 1024;

/** One for a gateway. Bytes. */
export class RingBudget {
  /** What all rings may have. */
  readonly bytes: number;
  readonly #owners = new Set<RingOwner>();

  constructor(bytes = RING_BUDGET_BYTES) {
    this.bytes = bytes;
  }

  /** What each ring may have now. */
  get share(): number {
    const even = Math.floor(this.bytes / Math.max(1, this.#owners.size));
    return Math.min(RING_BYTES, Math.max(MIN_RING_BYTES, even));
  }

  get count(): number {
    return this.#owners.size;
  }

  add(owner: RingOwner): void {
    this.#owners.add(owner);
    while (this.#owners.size * RING_BYTES > this.bytes) {
      const idle = this.#longestUnwatched(owner);
      if (!idle) break;
      this.#owners.delete(idle);
      idle.forget();
    }
    this.#shareOut();
  }

  remove(owner: RingOwner): void {
    if (this.#owners.delete(owner)) this.#shareOut();
  }

  // --- internal ---

  #longestUnwatched(except: RingOwner): RingOwner | null {
    let oldest: RingOwner | null = null;
    for (const owner of this.#owners) {
      if (owner === except || owner.isWatched) continue;
      if (!oldest || owner.watchedAt < oldest.watchedAt) oldest = owner;
    }
    return oldest;
  }

  #shareOut(): void {
    for (const owner of this.#owners) owner.setCapacity(this.share);
  }
}
