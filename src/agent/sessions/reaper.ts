/** Ends unused sessions: after an idle time, and after a time without viewers. Both are off unless set. */
import type { Logger } from "../../lib/log.ts";
import type { SessionManager } from "./session-manager.ts";

/** Which sessions are ended for want of use. Times in ms. */
export interface ReaperOptions {
  sessions: SessionManager;
  logger: Logger;
  /** Nothing typed and nothing printed for so long, ms; 0 for never. */
  idleMs: number;
  /** No viewer for so long, ms; 0 for never. */
  orphanMs: number;
}

/** Looks at least so often, ms. */
const LOOK_MS = 30_000;

/** Begins; the answer ends it. */
export function startReaping({ sessions, logger, idleMs, orphanMs }: ReaperOptions): () => void {
  const limits = [idleMs, orphanMs].filter((ms) => ms > 0);
  if (limits.length === 0) return () => {};
  const look = () => {
    const now = performance.now();
    for (const session of sessions.running()) {
      if (session.isWatched) session.watchedAt = now;
      const reason = reasonToEnd(now - session.activeAt, now - session.watchedAt, idleMs, orphanMs);
      if (reason === null) continue;
      logger.info(`session ${session.id}: ${reason}, so it is ended`);
      sessions.stop(session.id, `${reason}, so this shell was ended`);
    }
  };
  const timer = setInterval(look, Math.min(LOOK_MS, Math.min(...limits) / 4));
  return () => clearInterval(timer);
}

// --- internal ---

function reasonToEnd(idle: number, alone: number, idleMs: number, orphanMs: number): string | null {
  if (idleMs > 0 && idle >= idleMs) return `nothing was typed or printed for ${Math.round(idle / 1000)} s`;
  if (orphanMs > 0 && alone >= orphanMs) return `nobody looked at it for ${Math.round(alone / 1000)} s`;
  return null;
}
