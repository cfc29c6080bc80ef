/** Whose size a session has: that of the viewer who typed last; before anybody has, of the one who attached last. */
import type { TerminalSize } from "../../screen/engine.ts";

interface Claim {
  size: TerminalSize;
  /** performance.now(), or null where they have not typed. */
  typedAt: number | null;
  attachedAt: number;
  /** performance.now() until which the size of one who dropped off still counts. */
  until: number;
}

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

  /** @param graceMs for one who may be back at once */
  left(viewer: string, now: number, graceMs: number): void {
    const claim = this.#claims.get(viewer);
    if (claim && graceMs > 0) claim.until = now + graceMs;
    else this.#claims.delete(viewer);
  }

  /** The size that counts and whose it is; null while nobody has said any. */
  current(now: number): { size: TerminalSize; by: string } | null {
    let best: [string, Claim] | null = null;
    for (const entry of this.#claims) {
      const [viewer, claim] = entry;
      if (claim.until <= now) this.#claims.delete(viewer);
      else if (!best || comesBefore(claim, best[1])) best = entry;
    }
    return best && { size: best[1].size, by: best[0] };
  }
}

// --- internal ---

function comesBefore(a: Claim, b: Claim): boolean {
  if (a.typedAt !== b.typedAt) return (a.typedAt ?? -1) > (b.typedAt ?? -1);
  return a.attachedAt >= b.attachedAt;
}
