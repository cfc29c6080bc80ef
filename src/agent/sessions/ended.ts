/** Sessions that have ended and can be read for a while. */
import type { SavedSessions } from "../restart/schema.ts";
import type { Session } from "./session.ts";

const MAX_ENDED = 16;
const ENDED_MS = 5 * 60_000;

/** Owned by the manager: the latest sessions that ended, each for some minutes. */
export class Ended {
  readonly #sessions = new Map<string, { session: Session; timer: Timer; until: number }>();
  readonly #onGone: (session: Session) => void;

  constructor(onGone: (session: Session) => void) {
    this.#onGone = onGone;
  }

  get sessions(): Session[] {
    return [...this.#sessions.values()].map(({ session }) => session);
  }

  /** For another program image of this process, which adds each again. */
  save(): SavedSessions["ended"] {
    const now = performance.now();
    const all = [...this.#sessions.values()];
    return all.map(({ session, until }) => ({ session: session.save(), leftMs: Math.max(0, until - now) }));
  }

  add(session: Session, ms = ENDED_MS): void {
    const { instance } = session;
    const timer = setTimeout(() => this.#remove(instance), ms);
    timer.unref();
    this.#sessions.set(instance, { session, timer, until: performance.now() + ms });
    for (const [oldest] of this.#sessions) {
      if (this.#sessions.size <= MAX_ENDED) break;
      this.#remove(oldest);
    }
  }

  byInstance(instance: string): Session | undefined {
    return this.#sessions.get(instance)?.session;
  }

  /** The latest of that name. */
  byName(id: string): Session | undefined {
    return this.sessions.findLast((session) => session.id === id);
  }

  // --- internal ---

  #remove(instance: string): void {
    const known = this.#sessions.get(instance);
    if (!known) return;
    clearTimeout(known.timer);
    this.#sessions.delete(instance);
    this.#onGone(known.session);
  }
}
