/**
 * What snapshots of all sessions may cost the gateway: how much of them is sent in one turn of the event loop, and how
 * much is kept for viewers that take their time. One for the whole gateway.
 */
import type { Snapshot } from "./screen.ts";

/** Sent in one turn, which takes some milliseconds; then everything else has its turn. */
const TURN_BYTES = 512 * 1024;
/** Beyond this many bytes that viewers have not taken yet, further snapshots are small. */
const KEPT_BYTES = 64 * 1024 * 1024;
/**
 * Characters of a snapshot, of up to three bytes: viewers take 16 MiB. Where memory is short it is a screen without much of
 * its past.
 */
const CHARACTERS = { most: 4 * 1024 * 1024, least: 256 * 1024 };

export class SnapshotBudget {
  /** How many viewers still have something of each to take. */
  readonly #holders = new Map<Snapshot, number>();
  #keptBytes = 0;
  #left = TURN_BYTES;
  readonly #waiting = new Set<() => void>();
  #isTurning = false;

  /** About as many characters may the next snapshot have. */
  get characters(): number {
    return this.#keptBytes < KEPT_BYTES ? CHARACTERS.most : CHARACTERS.least;
  }

  /** A viewer begins to be sent it. */
  hold(snapshot: Snapshot): void {
    const holders = this.#holders.get(snapshot) ?? 0;
    if (holders === 0) this.#keptBytes += snapshot.bytes.length;
    this.#holders.set(snapshot, holders + 1);
  }

  /** It has all of it, or has gone. */
  drop(snapshot: Snapshot): void {
    const holders = this.#holders.get(snapshot);
    if (holders === undefined) return;
    if (holders > 1) {
      this.#holders.set(snapshot, holders - 1);
      return;
    }
    this.#holders.delete(snapshot);
    this.#keptBytes -= snapshot.bytes.length;
  }

  /** False where this turn has had enough; then `again` is called in the next one. */
  maySend(bytes: number, again: () => void): boolean {
    this.#turn();
    if (this.#left <= 0) {
      this.#waiting.add(again);
      return false;
    }
    this.#left -= bytes;
    return true;
  }

  // --- internal ---

  #turn(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    setImmediate(() => {
      this.#isTurning = false;
      this.#left = TURN_BYTES;
      const waiting = [...this.#waiting];
      this.#waiting.clear();
      for (const again of waiting) again();
    });
  }
}
