/**
 * Which sessions' output an agent of rexec.v2 need not send by v1: somebody reads it by v2, and by v1 nobody does, or
 * nobody takes it. v1 has no word for that, so the agent would take a line that is read on for a reader that wants all,
 * and run ahead of those by v2.
 */

import { shouldPause } from "./flow.ts";
import type { Session } from "./session.ts";

export interface V1DemandEvents {
  /** Somebody reads it by v2. */
  isLed(session: string): boolean;
  tell(session: string, wanted: boolean): void;
}

export class V1Demand {
  readonly #unwanted = new Set<string>();
  readonly #events: V1DemandEvents;

  constructor(events: V1DemandEvents) {
    this.#events = events;
  }

  /** The agent begins with all wanted: on a new connection, or with a session that is asked for. */
  reset(session?: string): void {
    if (session === undefined) this.#unwanted.clear();
    else this.#unwanted.delete(session);
  }

  /** To be called whenever a viewer got or took output, came or went. */
  update(sessions: Iterable<Session>): void {
    for (const { id, viewers } of sessions) {
      const was = this.#unwanted.has(id);
      const is = this.#events.isLed(id) && isUnread(was, [...viewers].map(bufferedOf));
      if (is === was) continue;
      if (is) this.#unwanted.add(id);
      else this.#unwanted.delete(id);
      this.#events.tell(id, !is);
    }
  }
}

// --- internal ---

function isUnread(was: boolean, waiting: readonly number[]): boolean {
  return waiting.length === 0 || shouldPause(was, waiting);
}

function bufferedOf({ buffered }: { buffered: number }): number {
  return buffered;
}
