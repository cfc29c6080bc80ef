/** `/api/agents/{id}/sessions`: the shells and commands that run on an agent. */
import { type Context, Hono } from "hono";
import type { SessionInfo } from "../../protocol/v2/control.ts";
import { requireAgent } from "../auth/authenticate.ts";
import type { Permission } from "../auth/scopes.ts";
import type { Room } from "../sessions/room.ts";
import { runningShells } from "../sessions/shells.ts";
import { ApiError } from "./api-error.ts";
import { type ApiDeps, authenticate, type Env, findAgent } from "./context.ts";

export function sessionRoutes(deps: ApiDeps): Hono<Env> {
  const routes = new Hono<Env>();

  routes.get("/agents/:id/sessions", async (c) => {
    const room = await roomOf(c, deps, c.req.param("id"), "agents:read");
    return c.json({ sessions: await list(room) });
  });

  routes.delete("/agents/:id/sessions/:session", async (c) => {
    const room = await roomOf(c, deps, c.req.param("id"), "agents:use");
    const name = c.req.param("session");
    const sessions = await list(room);
    if (!sessions.some(({ session, ended_at }) => session === name && ended_at === null))
      throw new ApiError(404, "session_not_found", "no such session is running");
    room.kill(name);
    return c.json({ message: "session ended" });
  });

  return routes;
}

// --- internal ---

/** @throws ApiError 401, 403, 404, 429; an agent's own token is none for this */
async function roomOf(c: Context<Env>, deps: ApiDeps, id: string, permission: Permission): Promise<Room> {
  const principal = await authenticate(c, deps);
  const agent = await findAgent(deps.store, id);
  requireAgent(principal, agent, permission, "agents:use");
  const room = deps.hub.room(agent.id);
  if (!room?.uplink) throw new ApiError(404, "agent_offline", "the agent is offline");
  return room;
}

async function list(room: Room): Promise<SessionInfo[]> {
  const sessions = room.desk.speaksV2 ? await room.desk.list() : runningShells(room);
  if (!sessions) throw new ApiError(504, "agent_silent", "the agent does not answer");
  return sessions;
}
