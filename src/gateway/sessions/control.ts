/**
 * Which viewers of a session may type: all that have the right to, or the one that has taken control. A viewer that may
 * only look never types. The gateway decides; agents know nothing of it.
 */

/** Why a viewer's input is dropped. */
export type InputRefusal = "read_only" | "controlled";

/** The one viewer that may type in a session. */
export interface Holder {
  /** The viewer's own id. */
  readonly viewer: string;
  /** As other viewers are shown it. */
  readonly name: string;
}

/** What a session's control means for one viewer of it. */
export interface Seat {
  readonly viewer: string;
  /** It may type at all. */
  readonly mayUse: boolean;
}

/** The sessions of an agent in which one viewer only may type. Owned by the room. Sessions go by their names. */
export class Controls {
  readonly #held = new Map<string, { holder: Holder; timer: Timer | null }>();
  readonly #graceMs: number;
  readonly #onChange: (session: string) => void;

  /**
   * @param graceMs how long control is kept for a viewer whose connection was lost
   * @param onChange told where another viewer may type from now on
   */
  constructor(graceMs: number, onChange: (session: string) => void) {
    this.#graceMs = graceMs;
    this.#onChange = onChange;
  }

  /** Null where every writer may type. */
  holderOf(session: string): Holder | null {
    return this.#held.get(session)?.holder ?? null;
  }

  /** Sessions that a viewer holds. */
  heldBy(viewer: string): string[] {
    return [...this.#held].filter(([, { holder }]) => holder.viewer === viewer).map(([session]) => session);
  }

  /** Why that viewer may not type in the session, or null where it may. */
  refusal(session: string, { viewer, mayUse }: Seat): InputRefusal | null {
    if (!mayUse) return "read_only";
    return this.counts(session, viewer) ? null : "controlled";
  }

  /** Whether the viewer's terminal has a say in the session's size. */
  counts(session: string, viewer: string): boolean {
    const holder = this.holderOf(session);
    return holder === null || holder.viewer === viewer;
  }

  /** From now on that viewer alone types. It must be a viewer of the session, which may type. */
  take(session: string, holder: Holder): void {
    this.#forget(session);
    this.#held.set(session, { holder, timer: null });
    this.#onChange(session);
  }

  /** Every writer may type again. */
  free(session: string): void {
    if (this.#forget(session)) this.#onChange(session);
  }

  /** The viewer is at the session (again). */
  entered(session: string, viewer: string): void {
    const held = this.#held.get(session);
    if (held?.holder.viewer !== viewer) return;
    if (held.timer) clearTimeout(held.timer);
    held.timer = null;
  }

  /** The viewer is at the session no more. @param announced it said goodbye; otherwise it may be back in a moment */
  left(session: string, viewer: string, announced: boolean): void {
    const held = this.#held.get(session);
    if (held?.holder.viewer !== viewer) return;
    if (announced) this.free(session);
    else held.timer ??= setTimeout(() => this.free(session), this.#graceMs);
  }

  /** The viewer may only look from now on. */
  lost(viewer: string): void {
    for (const session of this.heldBy(viewer)) this.free(session);
  }

  close(): void {
    for (const session of [...this.#held.keys()]) this.#forget(session);
  }

  // --- internal ---

  #forget(session: string): boolean {
    const held = this.#held.get(session);
    if (held?.timer) clearTimeout(held.timer);
    return this.#held.delete(session);
  }
}

/** A refusal in words, for the viewer. */
export function refusalText(refusal: InputRefusal, holder: Holder | null): string {
  if (refusal === "read_only") return "read-only: you can look and not type";
  return `${holder?.name ?? "another viewer"} has taken control: what you type is dropped`;
}
