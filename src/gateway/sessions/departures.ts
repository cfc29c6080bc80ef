/** Which agents are likely to be back at once: those that left a moment ago, and all in the gateway's first seconds. */
import type { AgentRow } from "../store/agents.ts";

/** An agent that lost its connection tries again within a second at first. */
const RECENT_MS = 10_000;
/** Of the last sign of life that was recorded before the gateway was started: it is written once a minute. */
const RECORDED_MS = 120_000;
/** Agents that are remembered; with more than that leaving at once, the earliest are forgotten. */
const MOST = 10_000;

/** Owned by the hub. Times are of a monotonic clock, ms. */
export class Departures {
  readonly #leftAt = new Map<string, number>();
  readonly #startedAt: number;

  /** @param now any monotonic clock, ms, as for the other calls */
  constructor(now: number) {
    this.#startedAt = now;
  }

  left(agentId: string, now: number): void {
    this.#leftAt.delete(agentId);
    this.#leftAt.set(agentId, now);
    for (const [id, at] of this.#leftAt) {
      if (this.#leftAt.size <= MOST && now - at < RECENT_MS) break;
      this.#leftAt.delete(id);
    }
  }

  /** Of one that is not connected. @param time Unix milliseconds */
  isReturning({ id, last_ping }: Pick<AgentRow, "id" | "last_ping">, now: number, time: number): boolean {
    const leftAt = this.#leftAt.get(id);
    if (leftAt !== undefined) return now - leftAt < RECENT_MS;
    return now - this.#startedAt < RECENT_MS && time - Date.parse(last_ping ?? "") < RECORDED_MS;
  }
}
