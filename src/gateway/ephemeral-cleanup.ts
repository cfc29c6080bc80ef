/** Forgets agents of CI jobs that left without unregistering: their runner was killed, or its machine is gone. */
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import type { AuditLog } from "./audit/audit.ts";
import type { AgentDirectory } from "./sessions/agent-directory.ts";
import type { Store } from "./store/store.ts";

/** What the clean-up of ephemeral agents needs. Times in ms. */
export interface EphemeralCleanupOptions {
  store: Pick<Store, "agents">;
  directory: Pick<AgentDirectory, "presences" | "publish">;
  audit: AuditLog;
  logger: Logger;
  /** How long an ephemeral agent may be away, ms. */
  afterMs: number;
}

/** Longest time between two looks, ms. */
const LOOK_MS = 60_000;

/**
 * Returns a function that stops the cleanup. While the gateway itself was away no agent could connect: the time counts
 * from its start.
 */
export function startEphemeralCleanup(options: EphemeralCleanupOptions): () => void {
  const { store, directory, audit, logger, afterMs } = options;
  const startedAt = Date.now();
  const look = async () => {
    const before = Date.now() - afterMs;
    if (before < startedAt) return;
    const since = new Date(before).toISOString();
    const silent = await store.agents.ephemeralSince(since);
    const connected = await directory.presences(silent.map(({ id }) => id));
    for (const { id, name, user_id } of silent) {
      // An agent that has connected since the directory answered is recorded, and stays.
      if (connected.has(id) || !(await store.agents.forgetSilent(id, since))) continue;
      await directory.publish({ type: "deleted", agentId: id, userId: user_id });
      const agent = { id, name, user_id };
      audit.record({ action: "agent.removed", agent, details: { reason: "ephemeral, and away" } });
      logger.info(`agent ${name} (${id}) is forgotten: it was ephemeral, and away for ${afterMs / 1000} s`);
    }
  };
  const timer = setInterval(
    () => void look().catch((error: unknown) => logger.error(`cannot forget agents: ${messageOf(error)}`)),
    Math.min(LOOK_MS, afterMs / 4),
  );
  return () => clearInterval(timer);
}
