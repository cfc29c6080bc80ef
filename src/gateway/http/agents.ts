/** `/api/agents`: the machines. `registration.ts` and `description.ts` have what makes and changes one. */

import type { Context } from "hono";
import { agentBody, agentListBody, agentStatusBody, messageBody } from "../../protocol/http.ts";
import type { Principal } from "../auth/principal.ts";
import type { AgentRow } from "../store/agents.ts";
import { agentView, statusView } from "./agent-view.ts";
import type { ApiDeps, Env } from "./context.ts";
import { PAGE_QUERY, readPage } from "./paging.ts";
import { agentOf, type Route, route } from "./route.ts";

export const agentRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/agents",
    action: "agents:list",
    summary: "List the agents that the caller sees; with an agent's own token that agent alone",
    answer: agentListBody,
    query: { ...PAGE_QUERY, pending: "true: those that wait to be accepted, and no others" },
    async handle({ c, deps, principal }) {
      const agents = await visibleAgents(c, deps, principal, c.req.query("pending") === "true");
      const presences = await deps.directory.presences(agents.map(({ id }) => id));
      return c.json(agents.map((agent) => agentView(agent, presences.get(agent.id))));
    },
  }),
  route({
    method: "GET",
    path: "/api/agents/:id",
    action: "agent:view",
    summary: "Show an agent, and what the caller may do with it",
    answer: agentBody,
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
    answer: agentStatusBody,
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
    method: "DELETE",
    path: "/api/agents/:id",
    action: "agent:unregister",
    summary: "Remove an agent, and end its connections",
    answer: messageBody,
    async handle(call) {
      await removeAgent(agentOf(call), call.principal, call.c.env.address, call.deps);
      return call.c.json({ message: "agent deleted" });
    },
  }),
];

/** A page of the agents that the caller sees; with `pending` those that wait for it to accept them. @throws ApiError 400 */
export async function visibleAgents(
  c: Context<Env>,
  deps: ApiDeps,
  principal: Principal,
  pending = false,
): Promise<AgentRow[]> {
  return readPage(c, (page) => deps.access.visibleAgents(principal, page, pending));
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
