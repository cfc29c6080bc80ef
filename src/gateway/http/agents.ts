/** `/api/agents` and `/api/containers`. */
import { type Context, Hono } from "hono";
import { patchAgentBody, registerBody } from "../../protocol/http.ts";
import { requireAgent, requirePermission } from "../auth/authenticate.ts";
import { makeToken } from "../auth/token.ts";
import type { AgentRow } from "../store/agents.ts";
import { agentView, containerView, statusView } from "./agent-view.ts";
import { ApiError } from "./api-error.ts";
import { type ApiDeps, authenticate, type Env, findAgent, readBody } from "./context.ts";
import { pageOf, pageWish } from "./paging.ts";

export function agentRoutes(deps: ApiDeps): Hono<Env> {
  const { store, hub, quotas } = deps;
  const routes = new Hono<Env>();

  async function agentPage(c: Context<Env>, userId: string): Promise<AgentRow[]> {
    const wish = pageWish(c);
    const rows = await store.agents.listOfUser(userId, wish && { ...wish, limit: wish.limit + 1 });
    return pageOf(c, rows, wish);
  }

  routes.post("/agents/register", async (c) => {
    const principal = await authenticate(c, deps);
    requirePermission(principal, "agents:write");
    const body = await readBody(c, registerBody);
    const details = {
      name: body.name,
      description: body.description ?? "",
      os: body.os ?? "",
      arch: body.arch ?? "",
      shell: body.shell ?? "",
      distro: body.distro ?? "",
      tags: body.tags ?? [],
      ephemeral: body.ephemeral ?? false,
    };
    const made = makeToken();
    const registered = await store.agents.register(
      principal.user.id,
      details,
      made,
      `agent: ${body.name}`,
      ["agent"],
      quotas.agents,
    );
    if (!registered) {
      const what = `this account has ${quotas.agents} agents, and may have no more: remove one first`;
      throw new ApiError(403, "agent_limit_reached", `${what} (serve --max-agents)`);
    }
    const { agent, token } = registered;
    hub.feed.changed(agent.user_id, agent.id, "created");
    const note = "connects this agent and nothing else; it is shown this once";
    const token_info = { id: token.id, name: token.name, scopes: token.scopes, note };
    return c.json({ id: agent.id, name: agent.name, token: made.token, token_info }, 201);
  });

  routes.get("/agents", async (c) => {
    const principal = await authenticate(c, deps);
    requirePermission(principal, "agents:read");
    const agents = await agentPage(c, principal.user.id);
    return c.json(agents.map((agent) => agentView(agent, hub.presence(agent.id))));
  });

  routes.get("/containers", async (c) => {
    const principal = await authenticate(c, deps);
    requirePermission(principal, "agents:read");
    const agents = await agentPage(c, principal.user.id);
    return c.json({ containers: agents.map((agent) => containerView(agent, hub.presence(agent.id))) });
  });

  routes.get("/agents/:id", async (c) => {
    const principal = await authenticate(c, deps);
    const agent = await findAgent(store, c.req.param("id"));
    requireAgent(principal, agent, "agents:read");
    return c.json(agentView(agent, hub.presence(agent.id)));
  });

  routes.get("/agents/:id/status", async (c) => {
    const principal = await authenticate(c, deps);
    const agent = await findAgent(store, c.req.param("id"));
    requireAgent(principal, agent, "agents:read");
    const presence = hub.presence(agent.id);
    const sessions = await hub.room(agent.id)?.shellCount();
    return c.json(statusView(agent, presence && { ...presence, sessions: sessions ?? presence.sessions }));
  });

  routes.patch("/agents/:id", async (c) => {
    const principal = await authenticate(c, deps);
    const agent = await findAgent(store, c.req.param("id"));
    requireAgent(principal, agent, "agents:write");
    const { name, description, tags } = await readBody(c, patchAgentBody);
    const changes = {
      ...(name === undefined ? {} : { name }),
      ...(description === undefined ? {} : { description }),
      ...(tags === undefined ? {} : { tags }),
    };
    await store.agents.update(agent.id, changes);
    hub.feed.changed(agent.user_id, agent.id, "updated");
    const now = { ...agent, ...changes };
    return c.json({ id: now.id, name: now.name, description: now.description, message: "agent updated" });
  });

  routes.delete("/agents/:id", async (c) => {
    const principal = await authenticate(c, deps);
    const agent = await findAgent(store, c.req.param("id"));
    requireAgent(principal, agent, "agents:write", "agents:unregister");
    await removeAgent(agent, deps);
    return c.json({ message: "agent deleted" });
  });

  return routes;
}

/** Forgets an agent and ends its sockets. */
export async function removeAgent(agent: AgentRow, { store, hub }: ApiDeps): Promise<void> {
  await (agent.ephemeral ? store.agents.forget(agent.id) : store.agents.delete(agent.id));
  hub.agentDeleted(agent.id);
  hub.feed.changed(agent.user_id, agent.id, "deleted");
}
