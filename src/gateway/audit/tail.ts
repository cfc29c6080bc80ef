/** The live end of the audit log: each follower reads the store from a place of its own, so none is ever sent a gap. */
import type { AuditFilter, Audits } from "../store/audit.ts";
import { auditView } from "./view.ts";

/** Followers of all users, and of one. */
export const MAX_TAILS = 64;
export const MAX_TAILS_OF_USER = 8;
/** Rows that a follower reads at a time. */
const PAGE = 200;
/** New rows are gathered for so long, ms. */
const GATHER_MS = 100;
/** An empty line is sent after so long without a row: a proxy, and this gateway, would take silence for the end, ms. */
const KEEP_ALIVE_MS = 15_000;

/** A follower of the log: its user and credential, and the rows that it is sent. */
export interface TailRequest {
  readonly userId: string;
  readonly credentialId: string;
  /** Unix milliseconds; null for a credential that does not expire. */
  readonly expiresAt: number | null;
  readonly filter: AuditFilter;
  /** Rows behind this number; null for those that come from now on. */
  readonly after: number | null;
}

interface Follower {
  readonly request: TailRequest;
  wake(): void;
  end(): void;
}

/** All followers of a gateway's chain. Owned by the gateway, which closes it. */
export class AuditTail {
  readonly #audits: Pick<Audits, "following" | "heads">;
  readonly #chain: string;
  readonly #followers = new Set<Follower>();
  #timer: Timer | null = null;

  constructor(audits: Pick<Audits, "following" | "heads">, chain: string) {
    this.#audits = audits;
    this.#chain = chain;
  }

  get count(): number {
    return this.#followers.size;
  }

  hasRoomFor(userId: string): boolean {
    const own = [...this.#followers].filter(({ request }) => request.userId === userId).length;
    return own < MAX_TAILS_OF_USER && this.#followers.size < MAX_TAILS;
  }

  /** There are new rows. */
  wake(): void {
    if (this.#followers.size === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      for (const follower of this.#followers) follower.wake();
    }, GATHER_MS);
  }

  /** Ends the streams that this is true for: a client whose rights changed asks again. */
  endWhere(matches: (request: TailRequest) => boolean): void {
    for (const follower of [...this.#followers]) if (matches(follower.request)) follower.end();
  }

  /** Rows as lines of JSON, without an end. The reader's pace is the stream's: nothing is queued for it. */
  follow(request: TailRequest): ReadableStream<Uint8Array> {
    let after = request.after;
    let ended = false;
    let woken = Promise.withResolvers<void>();
    const follower: Follower = {
      request,
      wake: () => woken.resolve(),
      end: () => {
        ended = true;
        this.#followers.delete(follower);
        woken.resolve();
      },
    };
    this.#followers.add(follower);
    const rest = async () => {
      const timer = setTimeout(() => woken.resolve(), KEEP_ALIVE_MS);
      await woken.promise;
      clearTimeout(timer);
      woken = Promise.withResolvers();
    };
    const next = async (): Promise<string | null> => {
      const newest = await this.#newest();
      after ??= newest;
      const rows = await this.#audits.following(this.#chain, after, PAGE, request.filter);
      after = rows.at(-1)?.seq ?? Math.max(after, newest);
      if (rows.length > 0) return rows.map((row) => `${JSON.stringify(auditView(row))}\n`).join("");
      await rest();
      return null;
    };
    return new ReadableStream<Uint8Array>(
      {
        // The headers go out with the first byte.
        start: (controller) => controller.enqueue(NEWLINE),
        async pull(controller) {
          try {
            const isOver = () => ended || (request.expiresAt !== null && request.expiresAt <= Date.now());
            const text = isOver() ? null : await next();
            if (!isOver()) return controller.enqueue(text === null ? NEWLINE : Buffer.from(text));
            follower.end();
            controller.close();
          } catch (error) {
            follower.end();
            throw error;
          }
        },
        cancel: () => follower.end(),
      },
      { highWaterMark: 0 },
    );
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.endWhere(() => true);
  }

  // --- internal ---

  async #newest(): Promise<number> {
    const heads = await this.#audits.heads();
    return heads.find(({ chain }) => chain === this.#chain)?.newest_seq ?? 0;
  }
}

// --- internal ---

const NEWLINE = Buffer.from("\n");
