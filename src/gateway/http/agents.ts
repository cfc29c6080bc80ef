/** `/api/agents`: the machines. */
import type { Context } from "hono";
import { patchAgentBody, registerBody } from "../../protocol/http.ts";
import type { Principal } from "../auth/principal.ts";
import { makeToken } from "../auth/token.ts";
import type { AgentRow } from "../store/agents.ts";
import { agentView, statusView } from "./agent-view.ts";
import { ApiError } from "./api-error.ts";
import type { ApiDeps, Env } from "./context.ts";
import { PAGE_QUERY, pageOf, pageWish } from "./paging.ts";
import { agentOf, type Route, route } from "./route.ts";

export const agentRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/api/agents/register",
    action: "agents:register",
    summary: "Register a machine, and get the token that connects it",
    body: registerBody,
    status: 201,
    async handle({ c, deps, principal, body }) {
      const { store, directory, quotas, audit } = deps;
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
      audit.record({ action: "agent.registered", principal, address: c.env.address, agent });
      const note = "connects this agent and nothing else; it is shown this once";
      const token_info = { id: token.id, name: token.name, scopes: token.scopes, note };
      const warning = agent.ephemeral ? undefined : await namesakeWarning(deps, agent);
      const { id, name, tags } = agent;
      return c.json({ id, name, tags, token: made.token, token_info, ...warning }, 201);
    },
  }),
  route({
    method: "GET",
    path: "/api/agents",
    action: "agents:list",
    summary: "List the agents that the caller sees; with an agent's own token that agent alone",
    query: PAGE_QUERY,
    async handle({ c, deps, principal }) {
      const agents = await visibleAgents(c, deps, principal);
      const presences = await deps.directory.presences(agents.map(({ id }) => id));
      return c.json(agents.map((agent) => agentView(agent, presences.get(agent.id))));
    },
  }),
  route({
    method: "GET",
    path: "/api/agents/:id",
    action: "agent:view",
    summary: "Show an agent, and what the caller may do with it",
    async handle(call) {
      const { c, deps, principal } = call;
      const agent = agentOf(call);
      const link = await deps.directory.link(agent.id);
      const returning = (!link && (await deps.directory.isReturning(agent))) || undefined;
      const level = (await deps.access.level(principal, agent)) ?? undefined;
      return c.json({ ...agentView(agent, link?.presence), returning, level });
    },
  }),
  route({
    method: "GET",
    path: "/api/agents/:id/status",
    action: "agent:view",
    summary: "Show the state of an agent right now",
    async handle(call) {
      const { c, deps } = call;
      const agent = agentOf(call);
      const link = await deps.directory.link(agent.id);
      if (!link) return c.json(statusView(agent));
      const shells = (await link.sessions())?.filter(
        ({ kind, ended_at }) => kind === "shell" && ended_at === null,
      );
      return c.json(
        statusView(agent, { ...link.presence, sessions: shells?.length ?? link.presence.sessions }),
      );
    },
  }),
  route({
    method: "PATCH",
    path: "/api/agents/:id",
    action: "agent:describe",
    summary: "Change an agent's name, description or tags",
    body: patchAgentBody,
    async handle(call) {
      const { c, deps, principal, body } = call;
      const agent = agentOf(call);
      const { name, description, tags } = body;
      const changes = {
        ...(name === undefined ? {} : { name }),
        ...(description === undefined ? {} : { description }),
        ...(tags === undefined ? {} : { tags }),
      };
      await deps.store.agents.update(agent.id, changes);
      await deps.directory.publish({ type: "updated", agentId: agent.id, userId: agent.user_id });
      // Rights and restrictions may go by tags.
      if (tags) await deps.directory.publish({ type: "access_changed", userId: null, agentId: agent.id });
      deps.audit.record({ action: "agent.changed", principal, address: c.env.address, agent });
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
    },
  }),
  route({
    method: "DELETE",
    path: "/api/agents/:id",
    action: "agent:unregister",
    summary: "Remove an agent, and end its connections",
    async handle(call) {
      await removeAgent(agentOf(call), call.principal, call.c.env.address, call.deps);
      return call.c.json({ message: "agent deleted" });
    },
  }),
];

/** A page of the agents that the caller sees. @throws ApiError 400 */
export async function visibleAgents(
  c: Context<Env>,
  deps: ApiDeps,
  principal: Principal,
): Promise<AgentRow[]> {
  const wish = pageWish(c);
  const rows = await deps.access.visibleAgents(principal, wish && { ...wish, limit: wish.limit + 1 });
  return pageOf(c, rows, wish);
}

/** Forgets an agent and ends its sockets. */
export async function removeAgent(
  agent: AgentRow,
  principal: Principal,
  address: string,
  { store, directory, audit }: ApiDeps,
): Promise<void> {
  await (agent.ephemeral ? store.agents.forget(agent.id) : store.agents.delete(agent.id));
  await directory.publish({ type: "deleted", agentId: agent.id, userId: agent.user_id });
  audit.record({ action: "agent.removed", principal, address, agent });
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
