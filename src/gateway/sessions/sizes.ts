/** Chooses among the terminal sizes of a session's viewers. */
import type { TerminalSize } from "../../screen/engine.ts";

interface Claim {
  size: TerminalSize;
  /** performance.now() of the last input, or null before the first. */
  typedAt: number | null;
  attachedAt: number;
  /** performance.now() at which the grace period of a viewer that dropped off ends. */
  until: number;
}

/** The size of the viewer that typed last counts; before any input, that of the viewer that attached last. */
export class Sizes {
  readonly #claims = new Map<string, Claim>();

  /** A viewer attached, or its terminal has another size now. */
  measured(viewer: string, { cols, rows }: TerminalSize, now: number): void {
    const known = this.#claims.get(viewer);
    const claim = { typedAt: null, attachedAt: now, ...known, size: { cols, rows }, until: Infinity };
    this.#claims.set(viewer, claim);
  }

  typed(viewer: string, now: number): void {
    const claim = this.#claims.get(viewer);
    if (claim) claim.typedAt = now;
  }

  /** @param graceMs grace period of a viewer that dropped off; 0 for one that left */
  left(viewer: string, now: number, graceMs: number): void {
    const claim = this.#claims.get(viewer);
    if (claim && graceMs > 0) claim.until = now + graceMs;
    else this.#claims.delete(viewer);
  }

  /**
   * The size that counts and its viewer; null without any.
   * @param counts whether a viewer has a say
   */
  current(
    now: number,
    counts: (viewer: string) => boolean = () => true,
  ): { size: TerminalSize; by: string } | null {
    let best: [string, Claim] | null = null;
    for (const entry of this.#claims) {
      const [viewer, claim] = entry;
      if (claim.until <= now) this.#claims.delete(viewer);
      else if (counts(viewer) && (!best || comesBefore(claim, best[1]))) best = entry;
    }
    return best && { size: best[1].size, by: best[0] };
  }
}

// --- internal ---

function comesBefore(a: Claim, b: Claim): boolean {
  if (a.typedAt !== b.typedAt) return (a.typedAt ?? -1) > (b.typedAt ?? -1);
  return a.attachedAt >= b.attachedAt;
}
