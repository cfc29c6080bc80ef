/** The mirrors of one agent's sessions. Owned by the room; their memory is the gateway's `RingBudget`. */
import { forEachSafely } from "../../lib/fault.ts";
import type { SessionInfo } from "../../protocol/v2/control.ts";
import type { AgentLink } from "./agent-link.ts";
import { Mirror, type MirrorOptions } from "./mirror.ts";
import type { RingBudget } from "./ring-budget.ts";

/** What all mirrors of an agent share. */
export interface MirrorsOptions extends Omit<MirrorOptions, "ringBytes" | "onGone"> {
  budget: RingBudget;
  /** A mirror threw. */
  fault(error: unknown): void;
}

/** Owned by the room; the mirrors go with it. */
export class Mirrors {
  readonly #options: MirrorsOptions;
  /** By the sessions' instances. */
  readonly #mirrors = new Map<string, Mirror>();
  #link: AgentLink | null = null;

  constructor(options: MirrorsOptions) {
    this.#options = options;
  }

  /** The mirror of this session, made where there is none. */
  of(info: SessionInfo): Mirror {
    const known = this.#mirrors.get(info.instance);
    if (known) return known;
    const { budget } = this.#options;
    const mirror = new Mirror(info, {
      ...this.#options,
      ringBytes: budget.share,
      onGone: (gone) => {
        budget.remove(gone);
        if (this.#mirrors.get(info.instance) === gone) this.#mirrors.delete(info.instance);
      },
    });
    this.#mirrors.set(info.instance, mirror);
    budget.add(mirror);
    if (this.#link) mirror.connect(this.#link);
    return mirror;
  }

  /** The number of a session's viewers. */
  viewersOf(instance: string): number {
    return viewersIn(this.#mirrors.get(instance));
  }

  /** Names of the sessions that have a mirror and have not ended. */
  *running(): Iterable<string> {
    for (const { info, end } of this.#mirrors.values()) if (!end) yield info.session;
  }

  /** Bytes of memory of all rings. */
  get memory(): number {
    let sum = 0;
    for (const { ring } of this.#mirrors.values()) sum += ring.memory;
    return sum;
  }

  /** Whether a session of that name has viewers. */
  isWatched(session: string): boolean {
    for (const mirror of this.#mirrors.values()) {
      if (mirror.info.session === session && viewersIn(mirror) > 0) return true;
    }
    return false;
  }

  /** Another viewer may type there: its size may count. */
  controlChanged(session: string): void {
    for (const mirror of this.#mirrors.values()) {
      if (mirror.info.session === session) mirror.size.apply(performance.now());
    }
  }

  connect(link: AgentLink): void {
    this.#link = link;
    forEachSafely(this.#mirrors.values(), (mirror) => mirror.connect(link), this.#options.fault);
  }

  disconnect(): void {
    this.#link = null;
    forEachSafely(this.#mirrors.values(), (mirror) => mirror.disconnect(), this.#options.fault);
  }

  /** To be called now and then. @param now performance.now() */
  tick(now: number): void {
    forEachSafely(this.#mirrors.values(), (mirror) => mirror.tick(now), this.#options.fault);
  }

  forget(): void {
    for (const mirror of [...this.#mirrors.values()]) mirror.forget();
  }
}

// --- internal ---

/** Readers that are no recorders. */
function viewersIn(mirror: Mirror | undefined): number {
  return [...(mirror?.readers ?? [])].filter(({ isRecorder }) => !isRecorder).length;
}
