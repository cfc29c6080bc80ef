/** The audit's entry of a viewer that typed where it may not. */

import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { InputRefusal } from "../sessions/control.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { Store } from "../store/store.ts";
import type { AuditLog } from "./audit.ts";

/** Records it, with the agent's name. Never throws; what the store cannot say is logged. */
export async function recordInputRefused(
  { audit, store, logger }: { audit: AuditLog; store: Pick<Store, "agents">; logger: Logger },
  agentId: string,
  { principal, address }: ConnectionInfo,
  session: string,
  refusal: InputRefusal,
): Promise<void> {
  const agent = await store.agents.get(agentId).catch((error: unknown) => {
    logger.error(`cannot look up an agent for the audit: ${messageOf(error)}`);
    return null;
  });
  audit.record({
    action: "input.refused",
    principal,
    address,
    agent: { id: agentId, name: agent?.name ?? "" },
    session,
    details: { reason: refusal },
  });
}
