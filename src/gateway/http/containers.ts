/** `/api/containers`: agents as the stock CLI and dashboard know them, under `agent:UUID`. */
import { type Context, Hono } from "hono";
import { bareAgentId, containerId } from "../../protocol/ids.ts";
import { requireAgent } from "../auth/authenticate.ts";
import type { OwnAgentPermission, Permission } from "../auth/scopes.ts";
import type { AgentRow } from "../store/agents.ts";
import { containerView } from "./agent-view.ts";
import { removeAgent } from "./agents.ts";
import { ApiError } from "./api-error.ts";
import { type ApiDeps, authenticate, type Env, findAgent } from "./context.ts";

export function containerRoutes(deps: ApiDeps): Hono<Env> {
  const { directory } = deps;
  const routes = new Hono<Env>();

  routes.get("/containers/:id", async (c) => {
    const agent = await agentOf(c, deps, "agents:read");
    const link = await directory.link(agent.id);
    return c.json(containerView(agent, link?.presence));
  });

  routes.delete("/containers/:id", async (c) => {
    const agent = await agentOf(c, deps, "agents:write", "agents:unregister");
    await removeAgent(agent, deps);
    return c.json({ id: containerId(agent.id), message: "agent deleted" });
  });

  /** Ends all shells of an agent, which stays connected. */
  routes.post("/containers/:id/stop", async (c) => {
    const agent = await agentOf(c, deps, "agents:use");
    await (await directory.link(agent.id))?.stopShells();
    return c.json({ id: containerId(agent.id), status: "stopped", message: "all shells were told to end" });
  });

  /** There is nothing to start: a shell starts with its first viewer, and an agent on its own machine. */
  routes.post("/containers/:id/start", async (c) => {
    const agent = await agentOf(c, deps, "agents:use");
    if (await directory.link(agent.id)) return c.json({ id: containerId(agent.id), status: "running" });
    const message = "the agent is offline: start it on its machine (rexec-agent start)";
    throw new ApiError(409, "agent_offline", message);
  });

  return routes;
}

// --- internal ---

/** @throws ApiError 401, 403, 404, 429 */
async function agentOf(
  c: Context<Env>,
  deps: ApiDeps,
  permission: Permission,
  asAgent?: OwnAgentPermission,
): Promise<AgentRow> {
  const principal = await authenticate(c, deps);
  const agent = await findAgent(deps.store, bareAgentId(c.req.param("id") ?? ""));
  requireAgent(principal, agent, permission, asAgent);
  return agent;
}
