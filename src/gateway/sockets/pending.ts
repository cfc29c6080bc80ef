/** The socket of an agent whose machine waits to be accepted: put off, again and again. */
import { STATUS_PENDING } from "../../protocol/close-codes.ts";
import { ApiError } from "../http/api-error.ts";
import type { AgentRow } from "../store/agents.ts";
import type { Store } from "../store/store.ts";

/** A knock of an agent that waits is written down at most this often, ms. */
const KNOCKS_NOTED_MS = 60_000;

/**
 * A knock counts as a sign of life: an ephemeral agent that waits is not forgotten while it knocks.
 * @throws ApiError 423: the agent dials again
 */
export async function putOff({ id, last_ping }: AgentRow, { agents }: Pick<Store, "agents">): Promise<never> {
  const now = Date.now();
  if (last_ping === null || now - Date.parse(last_ping) >= KNOCKS_NOTED_MS) {
    await agents.markPing(id, new Date(now).toISOString());
  }
  const message = "this machine waits to be accepted: rexec accept";
  throw new ApiError(STATUS_PENDING, "agent_pending", message, { "Retry-After": "5" });
}
