/** Whether the gateway can do its work now: a load balancer that asks sends it requests, or does not. */
import { messageOf } from "../lib/errors.ts";
import { gather } from "../lib/gather.ts";
import type { Logger } from "../lib/log.ts";
import { Cached } from "./http/cached.ts";

/** What is asked of the store. */
export interface CheckedStore {
  /** Writes and reads; rejects where either fails. */
  check(): Promise<void>;
}

/** The times of the check, milliseconds. */
interface ReadinessTimes {
  /** A store that takes longer counts as not there. */
  limitMs: number;
  /** An answer is given again for so long. */
  keepMs: number;
}

const TIMES: ReadinessTimes = { limitMs: 2_000, keepMs: 1_000 };

/** Owned by the gateway, which says when it stops. */
export class Readiness {
  readonly #store: CheckedStore;
  readonly #logger: Logger;
  readonly #times: ReadinessTimes;
  readonly #problem: Cached<string | null>;
  /** The check that has not ended yet: a store that hangs gets no second one. */
  #running: Promise<string | null> | null = null;
  #isStopping = false;

  constructor(store: CheckedStore, logger: Logger, times: Partial<ReadinessTimes> = {}) {
    this.#store = store;
    this.#logger = logger;
    this.#times = { ...TIMES, ...times };
    this.#problem = new Cached(() => this.#look(), this.#times.keepMs);
  }

  /** Why the gateway is not ready, without paths or other details; null where it is. Never rejects. */
  async problem(): Promise<string | null> {
    if (this.#isStopping) return STOPPING;
    const problem = await this.#problem.get();
    return this.#isStopping ? STOPPING : problem;
  }

  /** From now on it is not ready. */
  stop(): void {
    this.#isStopping = true;
  }

  // --- internal ---

  async #look(): Promise<string | null> {
    const { limitMs } = this.#times;
    const { promise: late, resolve } = Promise.withResolvers<string>();
    const timer = setTimeout(() => resolve(`the store does not answer within ${limitMs / 1000} s`), limitMs);
    this.#running ??= this.#check();
    const problem = await Promise.race([this.#running, late]);
    clearTimeout(timer);
    return problem;
  }

  async #check(): Promise<string | null> {
    try {
      await this.#store.check();
      return null;
    } catch (error) {
      const why = messageOf(error);
      gather(this.#logger, { level: "error", kind: "readiness", who: why }, `not ready: ${why}`);
      return "the store cannot be written or read";
    } finally {
      this.#running = null;
    }
  }
}

// --- internal ---

const STOPPING = "the gateway stops";
