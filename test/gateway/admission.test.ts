import { expect, test } from "bun:test";
import type { AgentDirectory, SeatRequest } from "../../src/gateway/sessions/agent-directory.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { knock, TestSocket } from "../support/socket.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
import { within } from "../support/wait.ts";

/** Makes the database answer look-ups of agents late, as one over a network does. */
function slowDatabase({ gateway }: TestGateway) {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const { agents } = gateway.store;
  const get = agents.get.bind(agents);
  agents.get = async (id) => {
    const row = await get(id);
    asked.resolve();
    await answer.promise;
    return row;
  };
  return {
    asked: () => within(asked.promise, 5_000, "the look-up of the agent"),
    answer() {
      agents.get = get;
      answer.resolve();
    },
  };
}

test.each(["agent", "viewer"])(
  "a token that is revoked while its %s is let in opens no socket",
  async (role) => {
    await using gateway = await startGateway();
    const agent = await gateway.register();
    await using online = role === "viewer" ? await V1Agent.connect(gateway, agent) : null;
    const { json } = await gateway.api("GET", "/api/tokens");
    const minted = role === "viewer" ? await gateway.mint(["user"]) : agent;
    const tokenId =
      role === "viewer"
        ? minted.id
        : json.tokens.find(({ agent_id }: { agent_id?: string }) => agent_id === agent.id).id;
    const path = role === "viewer" ? `/ws/agent/${agent.id}/terminal` : `/ws/agent/${agent.id}`;
    const database = slowDatabase(gateway);
    const upgrade = knock(`${gateway.url}${path}`, { Authorization: `Bearer ${minted.token}` });
    await database.asked();
    await gateway.api("DELETE", `/api/tokens/${tokenId}`);
    database.answer();
    expect(await upgrade).toMatchObject({ status: 401, json: { code: "token_revoked" } });
    expect(online?.isClosed ?? false).toBe(false);
    expect(gateway.gateway.hub.connectionCount).toBe(online ? 1 : 0);
  },
);

test("a right that is taken away while a viewer is let in ends its socket", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  // The last thing that is asked, when the rights are known already.
  const takeSeat = async (local: AgentDirectory, request: SeatRequest) => {
    asked.resolve();
    await answer.promise;
    return local.takeSeat(request);
  };
  const directory = (local: AgentDirectory): AgentDirectory =>
    new Proxy(local, {
      get(target, name) {
        if (name === "takeSeat") return (request: SeatRequest) => takeSeat(target, request);
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  await using gateway = await startGateway({ directory });
  const agent = await gateway.register();
  await using _online = await V1Agent.connect(gateway, agent);
  const { userId, token } = await gateway.stranger();
  const grant = { user: userId, target: agent.id, level: "use" };
  const { json } = await gateway.api("POST", "/api/grants", grant);
  const url = `${gateway.url}/ws/agent/${agent.id}/terminal?id=late`;
  await using viewer = new TestSocket(url, { headers: { Authorization: `Bearer ${token}` } });
  await within(asked.promise, 5_000, "the question for a seat");
  expect((await gateway.api("DELETE", `/api/grants/${json.id}`)).status).toBe(200);
  answer.resolve();
  const { code, reason } = await within(viewer.closed, 5_000, "the end of the socket");
  expect([code, reason]).toEqual([4004, "the right to this agent was taken away"]);
});

test("an agent that is deleted while it is let in opens no socket", async () => {
  await using gateway = await startGateway();
  const agent = await gateway.register();
  const database = slowDatabase(gateway);
  const upgrade = knock(`${gateway.url}/ws/agent/${agent.id}`, { Authorization: `Bearer ${agent.token}` });
  await database.asked();
  await gateway.gateway.store.agents.delete(agent.id);
  gateway.gateway.hub.agentDeleted(agent.id);
  database.answer();
  expect((await upgrade).status).toBe(404);
  expect(gateway.gateway.hub.connectionCount).toBe(0);
});

test("one user's viewers are counted over all agents, and another user's are not among them", async () => {
  await using gateway = await startGateway({ quotas: { viewers: 3 } });
  const agents = [await gateway.register("a"), await gateway.register("b")];
  await using _first = await V1Agent.connect(gateway, agents[0] ?? { id: "", token: "" });
  await using _second = await V1Agent.connect(gateway, agents[1] ?? { id: "", token: "" });
  const viewers = [];
  for (const index of [0, 1, 2]) {
    viewers.push(await V1Viewer.connect(gateway, agents[index % 2]?.id ?? "", `v${index}`));
  }
  const url = `${gateway.url}/ws/agent/${agents[0]?.id}/terminal?id=late`;
  const late = () => knock(url, { Authorization: `Bearer ${gateway.token}` });
  expect(await late()).toMatchObject({ status: 429, json: { code: "too_many_viewers" } });
  await viewers[0]?.[Symbol.asyncDispose]();
  expect((await late()).status).toBe(101);
  for (const viewer of viewers) await viewer[Symbol.asyncDispose]();
});
