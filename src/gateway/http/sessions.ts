/** `/api/agents/{id}/sessions`: the shells and commands that run on an agent. */
import { type Context, Hono } from "hono";
import type { SessionInfo } from "../../protocol/v2/control.ts";
import { requireAgent } from "../auth/authenticate.ts";
import type { Permission } from "../auth/scopes.ts";
import type { AgentHandle } from "../sessions/agent-directory.ts";
import { ApiError } from "./api-error.ts";
import { type ApiDeps, authenticate, type Env, findAgent } from "./context.ts";

export function sessionRoutes(deps: ApiDeps): Hono<Env> {
  const routes = new Hono<Env>();

  routes.get("/agents/:id/sessions", async (c) => {
    const link = await linkOf(c, deps, c.req.param("id"), "agents:read");
    return c.json({ sessions: await list(link) });
  });

  routes.delete("/agents/:id/sessions/:session", async (c) => {
    const link = await linkOf(c, deps, c.req.param("id"), "agents:use");
    const name = c.req.param("session");
    const sessions = await list(link);
    if (!sessions.some(({ session, ended_at }) => session === name && ended_at === null))
      throw new ApiError(404, "session_not_found", "no such session is running");
    await link.kill(name);
    return c.json({ message: "session ended" });
  });

  return routes;
}

// --- internal ---

/** @throws ApiError 401, 403, 404, 429; an agent's own token is none for this */
async function linkOf(
  c: Context<Env>,
  deps: ApiDeps,
  id: string,
  permission: Permission,
): Promise<AgentHandle> {
  const principal = await authenticate(c, deps);
  const agent = await findAgent(deps.store, id);
  requireAgent(principal, agent, permission, "agents:use");
  const link = await deps.directory.link(agent.id);
  if (!link) throw new ApiError(404, "agent_offline", "the agent is offline");
  return link;
}

/** @throws ApiError 504 */
async function list(link: AgentHandle): Promise<SessionInfo[]> {
  const sessions = await link.sessions();
  if (!sessions) throw new ApiError(504, "agent_silent", "the agent does not answer");
  return sessions;
}
