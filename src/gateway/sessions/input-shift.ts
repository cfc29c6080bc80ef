/**
 * A viewer numbers all its input, and the agent counts what reaches it. Input that was dropped on the way (the viewer may
 * not type) makes the two differ from then on: this is by how much.
 */

/** Sessions and viewers that are remembered. */
const MAX_SHIFTS = 1_024;

/** Of one viewer at one session, over all of its connections. Offsets in bytes. */
export interface InputShift {
  /** Dropped, and told to the viewer as taken. */
  told: number;
  /** Dropped in all. */
  total: number;
  /** What the agent waits for, by its own count. */
  next: number;
}

/** The shifts of an agent's viewers. Owned by the room's shell channels. */
export class InputShifts {
  readonly #shifts = new Map<string, InputShift>();

  /** @param instance of the session */
  of(instance: string, viewer: string): InputShift {
    return this.#shifts.get(keyOf(instance, viewer)) ?? { told: 0, total: 0, next: 0 };
  }

  /** Has it remembered. Of too many the oldest is forgotten: its viewer is told that input was lost, where any was. */
  keep(instance: string, viewer: string, shift: InputShift): void {
    const key = keyOf(instance, viewer);
    this.#shifts.delete(key);
    this.#shifts.set(key, shift);
    for (const oldest of this.#shifts.keys()) {
      if (this.#shifts.size <= MAX_SHIFTS) break;
      this.#shifts.delete(oldest);
    }
  }
}

// --- internal ---

function keyOf(instance: string, viewer: string): string {
  return `${instance} ${viewer}`;
}
