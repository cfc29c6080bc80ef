/** `/api/containers`: agents as the stock CLI and dashboard know them, under `agent:UUID`. */
import { containerBody, containerDoneBody, containerListBody } from "../../protocol/http.ts";
import { containerId } from "../../protocol/ids.ts";
import { containerView } from "./agent-view.ts";
import { removeAgent, visibleAgents } from "./agents.ts";
import { ApiError } from "./api-error.ts";
import { PAGE_QUERY } from "./paging.ts";
import { agentOf, type Route, route } from "./route.ts";

export const containerRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/containers",
    action: "agents:list",
    summary: "List the agents in the form of the stock dashboard",
    answer: containerListBody,
    query: PAGE_QUERY,
    async handle({ c, deps, principal }) {
      const agents = await visibleAgents(c, deps, principal);
      const presences = await deps.directory.presences(agents.map(({ id }) => id));
      return c.json({ containers: agents.map((agent) => containerView(agent, presences.get(agent.id))) });
    },
  }),
  route({
    method: "GET",
    path: "/api/containers/:id",
    action: "agent:view",
    summary: "Show an agent in the form of the stock dashboard",
    answer: containerBody,
    async handle(call) {
      const agent = agentOf(call);
      const link = await call.deps.directory.link(agent.id);
      return call.c.json(containerView(agent, link?.presence));
    },
  }),
  route({
    method: "DELETE",
    path: "/api/containers/:id",
    action: "agent:unregister",
    summary: "Remove an agent, and end its connections",
    answer: containerDoneBody,
    async handle(call) {
      const agent = agentOf(call);
      await removeAgent(agent, call.principal, call.c.env.address, call.deps);
      return call.c.json({ id: containerId(agent.id), message: "agent deleted" });
    },
  }),
  route({
    method: "POST",
    path: "/api/containers/:id/stop",
    action: "agent:use",
    summary: "End all shells of an agent, which stays connected",
    answer: containerDoneBody,
    async handle(call) {
      const agent = agentOf(call);
      await (await call.deps.directory.link(agent.id))?.stopShells();
      const { c, deps, principal } = call;
      const stopped = { action: "session.killed", principal, address: c.env.address, target: "all shells" };
      deps.audit.record({ ...stopped, agent });
      const message = "all shells were told to end";
      return call.c.json({ id: containerId(agent.id), status: "stopped", message });
    },
  }),
  /** There is nothing to start: a shell starts with its first viewer, and an agent on its own machine. */
  route({
    method: "POST",
    path: "/api/containers/:id/start",
    action: "agent:use",
    summary: "Say whether an agent is connected: it cannot be started from here",
    answer: containerDoneBody,
    async handle(call) {
      const agent = agentOf(call);
      if (await call.deps.directory.link(agent.id)) {
        return call.c.json({ id: containerId(agent.id), status: "running" });
      }
      const message = "the agent is offline: start it on its machine (rexec-agent start)";
      throw new ApiError(409, "agent_offline", message);
    },
  }),
];
