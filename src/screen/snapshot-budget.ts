/** Bounds the cost of all snapshots. */
import type { Snapshot } from "./screen.ts";

/** Bytes sent in one turn of the event loop, which takes some milliseconds. */
const TURN_BYTES = 512 * 1024;
/** Pending bytes of slow viewers beyond which further snapshots are small. */
const KEPT_BYTES = 64 * 1024 * 1024;
/** Characters of a snapshot, of up to three bytes each: viewers take 16 MiB. The small one has little scrollback. */
const CHARACTERS = { most: 4 * 1024 * 1024, least: 256 * 1024 };

/** The bytes of snapshots that are sent in a turn, and that are held for slow viewers. One for the gateway. */
export class SnapshotBudget {
  /** The number of viewers that have not taken all of a snapshot. */
  readonly #holders = new Map<Snapshot, number>();
  #keptBytes = 0;
  #left = TURN_BYTES;
  readonly #waiting = new Set<() => void>();
  #isTurning = false;

  /** The approximate bound of the next snapshot, characters. */
  get characters(): number {
    return this.#keptBytes < KEPT_BYTES ? CHARACTERS.most : CHARACTERS.least;
  }

  /** Sending it to a viewer begins. */
  hold(snapshot: Snapshot): void {
    const holders = this.#holders.get(snapshot) ?? 0;
    if (holders === 0) this.#keptBytes += snapshot.bytes.length;
    this.#holders.set(snapshot, holders + 1);
  }

  /** A viewer has all of it, or has gone. */
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

  /** Asks to send in this turn. False where its budget is used up: then `again` is called in the next turn. */
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
