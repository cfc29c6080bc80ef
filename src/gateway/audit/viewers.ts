/** The audit's entries of what viewers do by their sockets. */
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { RoomOptions } from "../sessions/room.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { Store } from "../store/store.ts";
import type { AuditEntry, AuditLog } from "./audit.ts";

/** What the recorder works with. */
interface ViewerAuditDeps {
  audit: AuditLog;
  store: Pick<Store, "agents">;
  logger: Logger;
}

/** For the rooms. Entries have the agent's name, which is looked up; what the store cannot say is logged. Never throws. */
export function viewerAudit(deps: ViewerAuditDeps): Pick<RoomOptions, "onInputRefused" | "onControl"> {
  return {
    onInputRefused: (agentId, viewer, session, reason) =>
      void record(deps, agentId, viewer, { action: "input.refused", session, details: { reason } }),
    onControl: (agentId, viewer, session, mode) =>
      void record(deps, agentId, viewer, {
        action: mode === "only" ? "control.taken" : "control.freed",
        session,
      }),
  };
}

// --- internal ---

async function record(
  { audit, store, logger }: ViewerAuditDeps,
  agentId: string,
  { principal, address }: ConnectionInfo,
  entry: AuditEntry,
): Promise<void> {
  const agent = await store.agents.get(agentId).catch((error: unknown) => {
    logger.error(`cannot look up an agent for the audit: ${messageOf(error)}`);
    return null;
  });
  audit.record({ ...entry, principal, address, agent: agent ?? { id: agentId, name: "" } });
}
