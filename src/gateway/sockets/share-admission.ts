/** What a viewer that comes by a share has to pass beside its rights. */
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { AuditLog } from "../audit/audit.ts";
import type { Principal } from "../auth/principal.ts";
import { ApiError } from "../http/api-error.ts";
import { VIEWERS_OF_SHARE } from "../quotas.ts";
import type { AgentDirectory, SeatRequest } from "../sessions/agent-directory.ts";
import type { AgentRow } from "../store/agents.ts";
import type { Store } from "../store/store.ts";
import type { ConnectionInfo } from "./connection.ts";

/**
 * A share ends with its session: a guest that comes later finds nothing, not even what is left of it.
 * @throws ApiError 401
 */
export async function checkShared(
  { credential }: Principal,
  agentId: string,
  directory: AgentDirectory,
): Promise<void> {
  if (credential.kind !== "share") return;
  const sessions = await (await directory.link(agentId))?.sessions();
  // An agent that is away or silent is asked again by `attach`, which names the instance.
  if (!sessions) return;
  if (sessions.some(({ instance, ended_at }) => instance === credential.instance && ended_at === null))
    return;
  throw new ApiError(401, "share_ended", "the session that this share showed has ended");
}

/** @throws ApiError 403 where a guest would have to be served by rexec.v1, which knows no sessions */
export function checkSharedProtocol({ credential }: Principal, v2: boolean): void {
  if (credential.kind !== "share" || v2) return;
  throw new ApiError(
    403,
    "share_needs_v2",
    "a share is for clients that speak rexec.v2: use rexec connect --share",
  );
}

/** The limit of the share's viewers; nothing for other credentials. */
export function shareLimit({ credential }: Principal): Pick<SeatRequest, "credential"> {
  return credential.kind === "share" ? { credential: { id: credential.id, limit: VIEWERS_OF_SHARE } } : {};
}

/** What is kept of a use. */
interface UseDeps {
  audit: AuditLog;
  store: Pick<Store, "shares">;
  logger: Logger;
}

/** The socket is open: that the store fails now is no reason to close it. */
export async function noteShareUse(
  { principal, address }: ConnectionInfo,
  agent: AgentRow,
  { audit, store, logger }: UseDeps,
): Promise<void> {
  const { credential } = principal;
  const session = credential.session ?? "";
  audit.record({
    action: "share.used",
    principal,
    address,
    agent,
    session,
    target: credential.name,
  });
  await store.shares.markUsed(credential.id).catch((error: unknown) => {
    logger.error(`cannot count the use of a share: ${messageOf(error)}`);
  });
}
