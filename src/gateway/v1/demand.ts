/**
 * Which sessions' output an agent of rexec.v2 need not send by v1: those with readers by v2 and without one by v1, or with
 * none that takes it. v1 has no word for that: the agent would take a line that is read for a reader that wants all, and
 * run ahead of the readers by v2.
 */

import { shouldPause } from "./flow.ts";
import type { Session } from "./session.ts";

/** What the demand by v1 asks of the adapter. */
export interface V1DemandEvents {
  /** It has a reader by v2. */
  isLed(session: string): boolean;
  tell(session: string, wanted: boolean): void;
}

/** Owned by the adapter. An agent's connection begins with all output wanted. */
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
