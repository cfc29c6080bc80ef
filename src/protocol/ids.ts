/** Session ids: the shared session is `main`, a viewer's own one is `split-…`. */

/** The shared session: every `shell_start` without `new_session: true` means it. */
export const MAIN_SESSION = "main";

const SPLIT_PREFIX = "split-";

/** The session id of a viewer that asked for a shell of its own. */
export function splitSessionId(viewerId: string): string {
  return viewerId.startsWith(SPLIT_PREFIX) ? viewerId : `${SPLIT_PREFIX}${viewerId}`;
}

/** True for a session that belongs to one viewer id (and ends with it on a v1 server). */
export function isSplitSession(sessionId: string): boolean {
  return sessionId.startsWith(SPLIT_PREFIX);
}

const AGENT_REF_PREFIX = "agent:";

/** `agent:UUID` (as `/api/containers` lists it) or a bare id, as the bare id. */
export function bareAgentId(reference: string): string {
  return reference.startsWith(AGENT_REF_PREFIX) ? reference.slice(AGENT_REF_PREFIX.length) : reference;
}

/** The id under which `/api/containers` lists an agent. */
export function containerId(agentId: string): string {
  return `${AGENT_REF_PREFIX}${agentId}`;
}
