/** The memory of all rings of output: each session has its share, which shrinks as sessions come. */
import { ByteRing } from "../../stream/byte-ring.ts";
import { readMemory } from "../machine/proc.ts";

/** Hosts with less memory than this get small rings, bytes. */
const SMALL_HOST = 1024 ** 3;
/**
 * No ring is smaller than that, whatever the budget says: a program must be able to write. It is also what a session
 * has while there is no server of rexec.v2: enough to show a newcomer what was printed last.
 */
const SMALLEST_RING = 64 * 1024;

/** The memory for output, bytes. */
export interface RingSizes {
  /** Of one session, bytes. */
  ringSize: number;
  /** Of all together, bytes. */
  ringBudget: number;
}

/** What suits this machine. */
export function defaultRings(total = readMemory().total): RingSizes {
  const small = total < SMALL_HOST;
  return { ringSize: (small ? 512 : 2048) * 1024, ringBudget: (small ? 4 : 16) * 1024 * 1024 };
}

/** All rings of the agent's sessions. Owned by the manager. */
export class RingPool {
  readonly #sizes: RingSizes;
  /** @transient each session opens its own again */
  readonly #rings = new Set<ByteRing>();
  /** Those to which nothing is added any more. @transient each ended session settles its own again */
  readonly #settled = new Set<ByteRing>();
  #isV2 = false;

  constructor(sizes: RingSizes) {
    this.#sizes = sizes;
  }

  /** Whether there was ever a server that resumes. */
  get isV2(): boolean {
    return this.#isV2;
  }

  /** There is a server that resumes: from now on rings have their full size. */
  serveV2(): void {
    if (this.#isV2) return;
    this.#isV2 = true;
    this.#share();
  }

  open(): ByteRing {
    const ring = new ByteRing(SMALLEST_RING);
    this.#rings.add(ring);
    this.#share();
    return ring;
  }

  /** Nothing more comes: it needs no more than what it holds. */
  settle(ring: ByteRing): void {
    if (!this.#rings.delete(ring)) return;
    this.#settled.add(ring);
    this.#share();
  }

  close(ring: ByteRing): void {
    if (this.#rings.delete(ring) || this.#settled.delete(ring)) this.#share();
  }

  // --- internal ---

  #share(): void {
    const { ringSize, ringBudget } = this.#sizes;
    const each = Math.floor(ringBudget / Math.max(1, this.#rings.size + this.#settled.size));
    let left = ringBudget;
    for (const ring of this.#settled) {
      ring.resize(Math.min(ring.length, Math.max(SMALLEST_RING, each)));
      left -= ring.length;
    }
    const share = Math.min(ringSize, Math.floor(left / Math.max(1, this.#rings.size)));
    const capacity = this.#isV2 ? Math.max(SMALLEST_RING, share) : SMALLEST_RING;
    for (const ring of this.#rings) if (ring.capacity !== capacity) ring.resize(capacity);
  }
}
