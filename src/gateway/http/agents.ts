/** `/api/agents` and `/api/containers`. */
import { type Context, Hono } from "hono";
import { patchAgentBody, registerBody } from "../../protocol/http.ts";
import { onlyAgentOf, type Principal, requireAgent, requirePermission } from "../auth/authenticate.ts";
import { makeToken } from "../auth/token.ts";
import type { AgentRow } from "../store/agents.ts";
import { agentView, containerView, statusView } from "./agent-view.ts";
import { ApiError } from "./api-error.ts";
import { type ApiDeps, authenticate, type Env, findAgent, readBody } from "./context.ts";
import { pageOf, pageWish } from "./paging.ts";

export function agentRoutes(deps: ApiDeps): Hono<Env> {
  const { store, directory, quotas } = deps;
  const routes = new Hono<Env>();

  /** A page of the user's agents; with an agent's own token that agent alone. @throws ApiError 403 */
  async function visibleAgents(c: Context<Env>, principal: Principal): Promise<AgentRow[]> {
    const wish = pageWish(c);
    const own = onlyAgentOf(principal);
    if (own !== null) {
      const agent = await store.agents.get(own);
      return agent ? [agent] : [];
    }
    requirePermission(principal, "agents:read");
    const rows = await store.agents.listOfUser(principal.user.id, wish && { ...wish, limit: wish.limit + 1 });
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
    await directory.publish({ type: "created", agentId: agent.id, userId: agent.user_id });
    const note = "connects this agent and nothing else; it is shown this once";
    const token_info = { id: token.id, name: token.name, scopes: token.scopes, note };
    const warning = agent.ephemeral ? undefined : await namesakeWarning(deps, agent);
    const { id, name, tags } = agent;
    return c.json({ id, name, tags, token: made.token, token_info, ...warning }, 201);
  });

  routes.get("/agents", async (c) => {
    const agents = await visibleAgents(c, await authenticate(c, deps));
    const presences = await directory.presences(agents.map(({ id }) => id));
    return c.json(agents.map((agent) => agentView(agent, presences.get(agent.id))));
  });

  routes.get("/containers", async (c) => {
    const agents = await visibleAgents(c, await authenticate(c, deps));
    const presences = await directory.presences(agents.map(({ id }) => id));
    return c.json({ containers: agents.map((agent) => containerView(agent, presences.get(agent.id))) });
  });

  routes.get("/agents/:id", async (c) => {
    const principal = await authenticate(c, deps);
    const agent = await findAgent(store, c.req.param("id"));
    requireAgent(principal, agent, "agents:read");
    const link = await directory.link(agent.id);
    const returning = (!link && (await directory.isReturning(agent))) || undefined;
    return c.json({ ...agentView(agent, link?.presence), returning });
  });

  routes.get("/agents/:id/status", async (c) => {
    const principal = await authenticate(c, deps);
    const agent = await findAgent(store, c.req.param("id"));
    requireAgent(principal, agent, "agents:read");
    const link = await directory.link(agent.id);
    if (!link) return c.json(statusView(agent));
    const shells = (await link.sessions())?.filter(
      ({ kind, ended_at }) => kind === "shell" && ended_at === null,
    );
    return c.json(
      statusView(agent, { ...link.presence, sessions: shells?.length ?? link.presence.sessions }),
    );
  });

  routes.patch("/agents/:id", async (c) => {
    const principal = await authenticate(c, deps);
    const agent = await findAgent(store, c.req.param("id"));
    requireAgent(principal, agent, "agents:write", "agents:describe");
    const { name, description, tags } = await readBody(c, patchAgentBody);
    const changes = {
      ...(name === undefined ? {} : { name }),
      ...(description === undefined ? {} : { description }),
      ...(tags === undefined ? {} : { tags }),
    };
    await store.agents.update(agent.id, changes);
    await directory.publish({ type: "updated", agentId: agent.id, userId: agent.user_id });
    const now = { ...agent, ...changes };
    const warning = now.name === agent.name ? undefined : await namesakeWarning(deps, now);
    const message = "agent updated";
    return c.json({
      id: now.id,
      name: now.name,
      description: now.description,
      tags: now.tags,
      message,
      ...warning,
    });
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
export async function removeAgent(agent: AgentRow, { store, directory }: ApiDeps): Promise<void> {
  await (agent.ephemeral ? store.agents.forget(agent.id) : store.agents.delete(agent.id));
  await directory.publish({ type: "deleted", agentId: agent.id, userId: agent.user_id });
}

// --- internal ---

/** Names need not be unique, but a user who types one must then add the id. */
async function namesakeWarning(
  { store }: ApiDeps,
  agent: AgentRow,
): Promise<{ warning: string } | undefined> {
  if (!(await store.agents.hasNamesake(agent))) return undefined;
  const shown = JSON.stringify(agent.name);
  return {
    warning: `another agent of this account is named ${shown} too: the name alone does not say which is meant`,
  };
}
