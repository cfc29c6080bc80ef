/** Deletes audit rows that are too old, or too many, from the front of the chain. */
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { Audits } from "../store/audit.ts";
import type { AuditLog } from "./audit.ts";

/** Default age, days. */
export const AUDIT_DAYS = 365;
/** Rows that are kept whatever their age: 2 to 3 GB. */
export const AUDIT_ROWS = 5_000_000;
/** Time between two looks, ms. */
const LOOK_MS = 60 * 60_000;
/** Other work of the gateway comes in between two steps, ms. */
const PAUSE_MS = 20;
const DAY_MS = 24 * 60 * 60_000;

/** What retention works on. */
export interface RetentionOptions {
  audits: Pick<Audits, "prune">;
  audit: AuditLog;
  chain: string;
  /** Rows older than this go. */
  days: number;
  rows?: number;
  logger: Logger;
}

/** Looks now and every hour. @returns a function that stops it; it resolves once a look that is under way has ended */
export function startRetention(options: RetentionOptions): () => Promise<void> {
  let stopped = false;
  let look = Promise.resolve();
  const begin = () => {
    look = look
      .then(() => prune(options, () => stopped))
      .catch((error: unknown) =>
        options.logger.error(`cannot delete old rows of the audit log: ${messageOf(error)}`),
      );
  };
  begin();
  const timer = setInterval(begin, LOOK_MS);
  return () => {
    stopped = true;
    clearInterval(timer);
    return look;
  };
}

// --- internal ---

async function prune(options: RetentionOptions, isStopped: () => boolean): Promise<void> {
  const { audits, audit, chain, days, rows: most = AUDIT_ROWS } = options;
  const before = new Date(Date.now() - days * DAY_MS).toISOString();
  let deleted = 0;
  while (!isStopped()) {
    const count = await audits.prune(chain, { before, most });
    if (count === 0) break;
    deleted += count;
    await Bun.sleep(PAUSE_MS);
  }
  if (deleted > 0) audit.record({ action: "audit.pruned", details: { rows: deleted, before, days } });
}
