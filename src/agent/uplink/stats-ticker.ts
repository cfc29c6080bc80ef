/** The machine's figures on their way to the server. */
import type { Sender } from "../../link/sender.ts";
import { STATS_INTERVAL_MS } from "../../protocol/limits.ts";
import { encodeAgent } from "../../protocol/v1.ts";
import { StatsReader } from "../machine/stats.ts";

/** Sends `stats` at once and every five seconds, while there is a connection. Owned by the agent. */
export class StatsTicker {
  readonly #sender: Sender;
  readonly #reader = new StatsReader();
  #timer: Timer | null = null;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  start(): void {
    this.stop();
    this.#tick();
    this.#timer = setInterval(() => this.#tick(), STATS_INTERVAL_MS);
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  #tick(): void {
    // Old figures are worth nothing: none are queued for a server that does not read.
    if (this.#sender.hasRoom) this.#sender.control(encodeAgent.stats(this.#reader.read()));
  }
}
