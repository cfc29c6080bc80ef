/**
 * Ends the sockets of tokens that a command on the data folder revoked: such a command has no other way to the gateway
 * that runs on it.
 */
import { messageOf } from "../lib/errors.ts";
import { gather } from "../lib/gather.ts";
import type { Logger } from "../lib/log.ts";
import type { AgentDirectory } from "./sessions/agent-directory.ts";
import type { Store } from "./store/store.ts";

/** What the watch is made with. */
export interface RevocationWatchOptions {
  store: Pick<Store, "tokens" | "changedElsewhere">;
  directory: Pick<AgentDirectory, "publish">;
  logger: Logger;
}

/** Between two looks, milliseconds: one number of the database is read, and more where it has changed. */
const LOOK_MS = 500;
/** A command may wait for the database after it has read the time, milliseconds. */
const SLACK_MS = 15_000;

/** @returns a function that stops it */
export function startRevocationWatch({ store, directory, logger }: RevocationWatchOptions): () => void {
  const told = new Set<string>();
  const look = async () => {
    if (!(await store.changedElsewhere())) return;
    const since = new Date(Date.now() - SLACK_MS).toISOString();
    const revoked = await store.tokens.revokedSince(since);
    for (const id of revoked) if (!told.has(id)) await directory.publish({ type: "credential_revoked", id });
    told.clear();
    for (const id of revoked) told.add(id);
  };
  let isLooking = false;
  let isStopped = false;
  const tick = async () => {
    if (isLooking) return;
    isLooking = true;
    try {
      await look();
    } catch (error) {
      if (isStopped) return; // the store is closed
      const why = messageOf(error);
      const line = `cannot look for revoked tokens: ${why}`;
      gather(logger, { level: "error", kind: "revocations", who: why }, line);
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(() => void tick(), LOOK_MS);
  timer.unref();
  return () => {
    isStopped = true;
    clearInterval(timer);
  };
}
