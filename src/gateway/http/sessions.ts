/** `/api/agents/{id}/sessions`: the shells and commands that run on an agent. */
import { messageBody } from "../../protocol/http.ts";
import { type SessionInfo, sessionsBody } from "../../protocol/v2/control.ts";
import type { AgentHandle } from "../sessions/agent-directory.ts";
import { ApiError } from "./api-error.ts";
import { agentOf, type KnownCall, type Route, route } from "./route.ts";

export const sessionRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/agents/:id/sessions",
    action: "agent:sessions",
    summary: "List the shells and commands of an agent",
    answer: sessionsBody,
    async handle(call) {
      return call.c.json({ sessions: await list(await linkOf(call)) });
    },
  }),
  route({
    method: "DELETE",
    path: "/api/agents/:id/sessions/:session",
    action: "agent:use",
    summary: "End a session",
    answer: messageBody,
    async handle(call) {
      const link = await linkOf(call);
      const name = call.param("session");
      const sessions = await list(link);
      if (!sessions.some(({ session, ended_at }) => session === name && ended_at === null))
        throw new ApiError(404, "session_not_found", "no such session is running");
      await link.kill(name);
      const { c, deps, principal } = call;
      const killed = { action: "session.killed", principal, address: c.env.address, session: name };
      deps.audit.record({ ...killed, agent: agentOf(call) });
      return call.c.json({ message: "session ended" });
    },
  }),
];

/** The link of the agent in the path. @throws ApiError 404 */
export async function linkOf(call: KnownCall<unknown>): Promise<AgentHandle> {
  const link = await call.deps.directory.link(agentOf(call).id);
  if (!link) throw new ApiError(404, "agent_offline", "the agent is offline");
  return link;
}

/** The session in the path. @throws ApiError 404, 409, 504 */
export async function runningSession(call: KnownCall<unknown>): Promise<SessionInfo> {
  const name = call.param("session");
  const sessions = await list(await linkOf(call));
  const found = sessions.find(({ session, ended_at }) => session === name && ended_at === null);
  if (!found) throw new ApiError(404, "session_not_found", "no such session is running");
  if (found.kind === "run") throw new ApiError(409, "no_shell", "that is a command, not a shell");
  // An agent that speaks rexec.v1 cannot tell a session from the next one of the same name.
  if (found.instance === found.session)
    throw new ApiError(
      409,
      "no_sessions",
      "this agent speaks rexec.v1, and its sessions cannot be shared: update it",
    );
  return found;
}

// --- internal ---

/** @throws ApiError 504 */
async function list(link: AgentHandle): Promise<SessionInfo[]> {
  const sessions = await link.sessions();
  if (!sessions) throw new ApiError(504, "agent_silent", "the agent does not answer");
  return sessions;
}
