/**
 * Failures that a stranger can cause at will, such as wrong tokens: the first of a network is a row at once, the rest of a
 * minute is one row with their number.
 */
import { draftOf, placeOf } from "./draft.ts";
import type { AuditDraft } from "./row.ts";

/** ms */
export const FAILURE_WINDOW_MS = 60_000;
/** Networks, each with one action, that are counted one by one within a window; the rest is counted together. */
export const FAILURE_PLACES = 1_024;

const FAILURES: ReadonlySet<string> = new Set(["sign_in_failed", "token.refused", "join.refused"]);
/** The place of all that have none of their own. */
const OTHERS = "others";

interface Tally {
  action: string;
  /** The last one of the window. */
  last: AuditDraft;
  count: number;
}

/** Counts failures of a window. Owned by the writer. */
export class Failures {
  readonly #windowMs: number;
  readonly #write: (draft: AuditDraft) => void;
  readonly #tallies = new Map<string, Tally>();
  #timer: Timer | null = null;

  /** @param write called for each row that there is to be, at once or at the end of a window */
  constructor(write: (draft: AuditDraft) => void, windowMs = FAILURE_WINDOW_MS) {
    this.#write = write;
    this.#windowMs = windowMs;
  }

  /** True for a row that `add` takes in place of the writer. */
  static takes({ action }: AuditDraft): boolean {
    return FAILURES.has(action);
  }

  add(draft: AuditDraft): void {
    const place = `${draft.action} ${placeOf(draft.address)}`;
    const known = this.#tallies.get(place);
    this.#timer ??= this.#start();
    if (known) {
      known.count += 1;
      known.last = draft;
    } else if (this.#tallies.size < FAILURE_PLACES) {
      this.#tallies.set(place, { action: draft.action, last: draft, count: 0 });
      this.#write(draft);
    } else this.#addToOthers(draft);
  }

  /** Writes what is counted now. */
  flush(): void {
    for (const [place, tally] of this.#tallies) if (tally.count > 0) this.#write(this.#summary(place, tally));
    this.#tallies.clear();
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  // --- internal ---

  #addToOthers(draft: AuditDraft): void {
    const place = `${draft.action} ${OTHERS}`;
    const tally = this.#tallies.get(place) ?? { action: draft.action, last: draft, count: 0 };
    tally.count += 1;
    tally.last = draft;
    this.#tallies.set(place, tally);
  }

  #start(): Timer {
    const timer = setTimeout(() => this.#end(), this.#windowMs);
    timer.unref();
    return timer;
  }

  /** A network that goes on stays counted; one that rested for a window is written at once again. */
  #end(): void {
    this.#timer = null;
    for (const [place, tally] of [...this.#tallies]) {
      if (tally.count === 0) {
        this.#tallies.delete(place);
        continue;
      }
      this.#write(this.#summary(place, tally));
      tally.count = 0;
    }
    if (this.#tallies.size > 0) this.#timer = this.#start();
  }

  /** Of others there is no address. */
  #summary(place: string, { last, count }: Tally): AuditDraft {
    const { id, created_at } = draftOf({ action: last.action }, Date.now());
    const details = JSON.stringify({ ...parsed(last.details), count, within_seconds: this.#windowMs / 1000 });
    const own = { ...last, id, created_at, details };
    if (!place.endsWith(` ${OTHERS}`)) return own;
    return { ...own, address: null, target: null, user_id: null, user_name: null };
  }
}

// --- internal ---

function parsed(details: string): object {
  const value: unknown = JSON.parse(details);
  return typeof value === "object" && value !== null ? value : {};
}
