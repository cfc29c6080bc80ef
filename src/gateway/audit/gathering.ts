/**
 * Rows that a peer can cause at will: the first are written at once, the rest of a minute is one row with their number.
 * Failures are counted by network, an agent's coming and going by agent, and actions beyond the rate of a working user by
 * user: a flood must neither fill the disk nor push older rows out of it.
 */
import { networkOf } from "../../lib/network-of.ts";
import { draftOf } from "./draft.ts";
import type { AuditDraft } from "./row.ts";

/** ms */
export const WINDOW_MS = 60_000;
/** Places that are counted one by one within a window; the rest is counted together. */
export const PLACES = 1_024;
/** Rows of one user: so many at once, then so many a second. Users that are counted. */
export const USER_ROWS = { burst: 10_000, perSecond: 10, users: 10_000 } as const;

const FAILURES: ReadonlySet<string> = new Set([
  "sign_in_failed",
  "token.refused",
  "join.refused",
  "share.refused",
  "device.refused",
]);
const COMINGS: ReadonlySet<string> = new Set(["agent.connected", "agent.disconnected", "agent.superseded"]);
/** Rows of one agent's coming, or going, within a window that are written at once. */
const COMINGS_AT_ONCE = 10;
/** Rows of one action of a user that has written too many: a flood of one kind hides none of another. */
const BEYOND_AT_ONCE = 10;
/** Of all that have no place of their own. */
const OTHERS = "others";

interface Place {
  readonly key: string;
  readonly atOnce: number;
}

interface Tally {
  written: number;
  count: number;
  /** The last one that was counted. */
  last: AuditDraft;
}

/** Counts what comes too often. Owned by the writer. */
export class Gathering {
  readonly #windowMs: number;
  readonly #write: (draft: AuditDraft) => void;
  readonly #tallies = new Map<string, Tally>();
  /** By user, in the order of their last row. */
  readonly #left = new Map<string, { rows: number; at: number }>();
  #timer: Timer | null = null;

  /** @param write called for each row that there is to be, at once or at the end of a window */
  constructor(write: (draft: AuditDraft) => void, windowMs = WINDOW_MS) {
    this.#write = write;
    this.#windowMs = windowMs;
  }

  add(draft: AuditDraft): void {
    const place = this.#placeOf(draft);
    if (!place) {
      this.#write(draft);
      return;
    }
    this.#timer ??= this.#start();
    const { key, atOnce } = place;
    const known = this.#tallies.get(key);
    const written = known?.written ?? 0;
    if (!known && this.#tallies.size >= PLACES) this.#count(`${draft.action} ${OTHERS}`, draft);
    else if (written >= atOnce) this.#count(key, draft);
    else {
      this.#tallies.set(key, { written: written + 1, count: known?.count ?? 0, last: draft });
      this.#write(draft);
    }
  }

  /** Writes what is counted now. */
  flush(): void {
    for (const [key, tally] of this.#tallies) this.#sumUp(key, tally);
    this.#tallies.clear();
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  // --- internal ---

  #placeOf(draft: AuditDraft): Place | null {
    const { action, address, agent_id, user_id } = draft;
    if (FAILURES.has(action)) {
      return { key: `${action} ${address === null ? "unknown" : networkOf(address)}`, atOnce: 1 };
    }
    if (COMINGS.has(action)) return { key: `${action} ${agent_id ?? ""}`, atOnce: COMINGS_AT_ONCE };
    if (user_id === null || this.#mayWrite(user_id)) return null;
    return { key: `${action} ${user_id}`, atOnce: BEYOND_AT_ONCE };
  }

  #mayWrite(userId: string): boolean {
    const now = performance.now();
    const { burst, perSecond, users } = USER_ROWS;
    const known = this.#left.get(userId) ?? { rows: burst, at: now };
    const rows = Math.min(burst, known.rows + ((now - known.at) / 1_000) * perSecond);
    this.#left.delete(userId);
    this.#left.set(userId, { rows: rows < 1 ? rows : rows - 1, at: now });
    for (const [oldest] of this.#left) {
      if (this.#left.size <= users) break;
      this.#left.delete(oldest);
    }
    return rows >= 1;
  }

  #count(key: string, draft: AuditDraft): void {
    const tally = this.#tallies.get(key) ?? { written: 0, count: 0, last: draft };
    tally.count += 1;
    tally.last = draft;
    this.#tallies.set(key, tally);
  }

  #start(): Timer {
    const timer = setTimeout(() => this.#end(), this.#windowMs);
    timer.unref();
    return timer;
  }

  /** What goes on stays counted; what rested for a window is written at once again. */
  #end(): void {
    this.#timer = null;
    for (const [key, tally] of [...this.#tallies]) {
      if (tally.count === 0) this.#tallies.delete(key);
      this.#sumUp(key, tally);
      tally.count = 0;
    }
    if (this.#tallies.size > 0) this.#timer = this.#start();
  }

  #sumUp(key: string, { last, count }: Tally): void {
    if (count === 0) return;
    const { id, created_at } = draftOf({ action: last.action }, Date.now());
    const details = JSON.stringify({
      ...parsed(last.details),
      count,
      within_seconds: this.#windowMs / 1_000,
    });
    const own = { ...last, id, created_at, details };
    this.#write(key.endsWith(` ${OTHERS}`) ? { ...own, ...NO_SENDER } : own);
  }
}

// --- internal ---

const NO_SENDER = {
  ...{ address: null, target: null, user_id: null, user_name: null, credential: null, credential_name: null },
  ...{ agent_id: null, agent_name: null, owner_id: null, session: null },
};

function parsed(details: string): object {
  const value: unknown = JSON.parse(details);
  return typeof value === "object" && value !== null ? value : {};
}
