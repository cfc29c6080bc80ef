/** `/api/agents/{id}/sessions`: the shells and commands that run on an agent. */
import type { SessionInfo } from "../../protocol/v2/control.ts";
import type { AgentHandle } from "../sessions/agent-directory.ts";
import { ApiError } from "./api-error.ts";
import { agentOf, type KnownCall, type Route, route } from "./route.ts";

export const sessionRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/agents/:id/sessions",
    action: "agent:sessions",
    summary: "List the shells and commands of an agent",
    async handle(call) {
      return call.c.json({ sessions: await list(await linkOf(call)) });
    },
  }),
  route({
    method: "DELETE",
    path: "/api/agents/:id/sessions/:session",
    action: "agent:use",
    summary: "End a session",
    async handle(call) {
      const link = await linkOf(call);
      const name = call.param("session");
      const sessions = await list(link);
      if (!sessions.some(({ session, ended_at }) => session === name && ended_at === null))
        throw new ApiError(404, "session_not_found", "no such session is running");
      await link.kill(name);
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

// --- internal ---

/** @throws ApiError 504 */
async function list(link: AgentHandle): Promise<SessionInfo[]> {
  const sessions = await link.sessions();
  if (!sessions) throw new ApiError(504, "agent_silent", "the agent does not answer");
  return sessions;
}
