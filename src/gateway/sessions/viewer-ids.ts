/**
 * Which user each viewer id belongs to. Clients choose these ids, and other viewers are shown them: under another's id a
 * viewer would close its socket, use up its input's offsets, and have its control of a session.
 */
import type { ConnectionInfo } from "../sockets/connection.ts";

/** Ids of viewers that have gone which are remembered. */
const MAX_GONE = 256;

/** The viewer ids of one agent. Owned by the room. An id is kept for a viewer whose connection was lost. */
export class ViewerIds {
  readonly #owners = new Map<string, { owner: string; sockets: number; until: number }>();
  readonly #graceMs: number;

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** A viewer's socket is open. False where the id is another user's. @param now performance.now() */
  claim(id: string, info: ConnectionInfo, now: number): boolean {
    const owner = ownerOf(info);
    const known = this.#owners.get(id);
    const isFree = !known || (known.sockets === 0 && known.until <= now);
    if (!isFree && known.owner !== owner) return false;
    const sockets = isFree ? 1 : known.sockets + 1;
    this.#owners.delete(id);
    this.#owners.set(id, { owner, sockets, until: 0 });
    return true;
  }

  /** The socket is closed. To be called once for each `claim` that was granted. */
  release(id: string, forGood: boolean, now: number): void {
    const known = this.#owners.get(id);
    if (!known) return;
    known.sockets -= 1;
    if (known.sockets > 0) return;
    this.#owners.delete(id);
    if (forGood) return;
    this.#owners.set(id, { ...known, until: now + this.#graceMs });
    this.#forgetOldest();
  }

  // --- internal ---

  /** Of too many the oldest of the user that has most: a user that comes under many ids frees its own alone. */
  #forgetOldest(): void {
    const gone = [...this.#owners].filter(([, { sockets }]) => sockets === 0);
    if (gone.length <= MAX_GONE) return;
    const byOwner = [...Map.groupBy(gone, ([, { owner }]) => owner).values()];
    const [oldest] = byOwner.reduce((most, its) => (its.length > most.length ? its : most))[0] ?? [];
    if (oldest !== undefined) this.#owners.delete(oldest);
  }
}

// --- internal ---

/** Two guests of one user's shares are two owners. */
function ownerOf({ principal: { user, credential } }: ConnectionInfo): string {
  return `${user.id} ${credential.kind === "share" ? credential.id : ""}`;
}
