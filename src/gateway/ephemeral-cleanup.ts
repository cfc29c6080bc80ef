/** Forgets agents of CI jobs that left without a word: their runner was killed, or its machine is gone. */
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import type { Hub } from "./sessions/hub.ts";
import type { Store } from "./store/store.ts";

export interface EphemeralCleanupOptions {
  store: Pick<Store, "agents">;
  hub: Pick<Hub, "presence" | "agentDeleted" | "feed">;
  logger: Logger;
  /** How long an ephemeral agent may be away, ms. */
  afterMs: number;
}

/** Looks at least so often, ms. */
const LOOK_MS = 60_000;

/** Begins; the answer ends it. While the gateway itself was away nobody could be there: the time counts from its start. */
export function startEphemeralCleanup({ store, hub, logger, afterMs }: EphemeralCleanupOptions): () => void {
  const startedAt = Date.now();
  const look = async () => {
    const before = Date.now() - afterMs;
    if (before < startedAt) return;
    for (const { id, name, user_id } of await store.agents.ephemeralSince(new Date(before).toISOString())) {
      if (hub.presence(id)) continue;
      await store.agents.forget(id);
      hub.agentDeleted(id);
      hub.feed.changed(user_id, id, "deleted");
      logger.info(`agent ${name} (${id}) is forgotten: it was ephemeral, and away for ${afterMs / 1000} s`);
    }
  };
  const timer = setInterval(
    () => void look().catch((error: unknown) => logger.error(`cannot forget agents: ${messageOf(error)}`)),
    Math.min(LOOK_MS, afterMs / 4),
  );
  return () => clearInterval(timer);
}
