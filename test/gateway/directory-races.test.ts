/** What changes while an answer of the directory is on its way: limits hold, and a refusal is the same as without a delay. */
import { expect, test } from "bun:test";
import type { AgentDirectory } from "../../src/gateway/sessions/agent-directory.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { lateDirectory } from "../support/late-directory.ts";
import { knock, TestSocket } from "../support/socket.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { V2Agent } from "../support/v2-agent.ts";
import { until, within } from "../support/wait.ts";

/** A directory that keeps the answers of one method back until the test hands them out. */
function heldDirectory(method: "takeSeat" | "presences") {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  let questions = 0;
  const held = async <T>(result: Promise<T>): Promise<T> => {
    questions += 1;
    const value = await result;
    asked.resolve();
    await answer.promise;
    return value;
  };
  return {
    directory: (local: AgentDirectory): AgentDirectory => ({
      link: (id) => local.link(id),
      presences: (ids) =>
        method === "presences" && ids.length > 0 ? held(local.presences(ids)) : local.presences(ids),
      isReturning: (agent) => local.isReturning(agent),
      takeSeat: (request) =>
        method === "takeSeat" ? held(local.takeSeat(request)) : local.takeSeat(request),
      viewers: (id) => local.viewers(id),
      closeViewers: (id, selection) => local.closeViewers(id, selection),
      publish: (event) => local.publish(event),
      subscribe: (listener) => local.subscribe(listener),
    }),
    asked: () => within(asked.promise, 15_000, "the question to the directory"),
    answer: () => answer.resolve(),
    questions: () => questions,
  };
}

const viewerUrl = ({ url }: TestGateway, agentId: string, id: string) =>
  `${url}/ws/agent/${agentId}/terminal?id=${id}`;

/** Opens so many viewers at once. @returns those that were let in */
async function crowd(gateway: TestGateway, agentId: string, size: number): Promise<TestSocket[]> {
  const headers = { Authorization: `Bearer ${gateway.token}` };
  const opening = Array.from({ length: size }, (_, index) =>
    new TestSocket(viewerUrl(gateway, agentId, `v${index}`), { headers }).open().catch(() => null),
  );
  return (await Promise.all(opening)).filter((socket) => socket !== null);
}

test.each([
  ["a user's", { viewers: 3 }, 12, 3],
  ["an agent's", { viewers: 1_000 }, 140, 128],
] as const)("%s limit of viewers holds for upgrades at the same moment", async (_, quotas, asking, most) => {
  await using gateway = await startGateway({ directory: lateDirectory(50), quotas });
  const agent = await gateway.register();
  await using _agent = await V1Agent.connect(gateway, agent);
  const viewers = await crowd(gateway, agent.id, asking);
  expect(viewers).toHaveLength(most);
  for (const viewer of viewers) await viewer[Symbol.asyncDispose]();
  await until(() => gateway.gateway.hub.viewerCount(agent.id) === 0, 5_000, "them to be gone");
  // No seat is left behind, by those that were refused neither.
  const [again, ...none] = await crowd(gateway, agent.id, 1);
  expect([again?.isClosed, none.length]).toEqual([false, 0]);
  await again?.[Symbol.asyncDispose]();
});

test("a handshake that is none gives its seat back", async () => {
  await using gateway = await startGateway({ directory: lateDirectory(20), quotas: { viewers: 1 } });
  const agent = await gateway.register();
  await using _agent = await V1Agent.connect(gateway, agent);
  const headers = { Authorization: `Bearer ${gateway.token}` };
  const broken = await knock(viewerUrl(gateway, agent.id, "a"), { ...headers, "Sec-WebSocket-Key": "short" });
  expect(broken).toMatchObject({ status: 400, json: { code: "bad_upgrade" } });
  expect((await knock(viewerUrl(gateway, agent.id, "b"), headers)).status).toBe(101);
});

test.each([
  ["goes offline", 404, "agent_offline"],
  ["is deleted", 404, "agent_not_found"],
])("an agent that %s while a viewer is let in: the viewer gets %i %s", async (what, status, code) => {
  const held = heldDirectory("takeSeat");
  await using gateway = await startGateway({ directory: held.directory });
  const registered = await gateway.register();
  await using agent = await V1Agent.connect(gateway, registered);
  const upgrade = knock(viewerUrl(gateway, registered.id, "a"), { Authorization: `Bearer ${gateway.token}` });
  await held.asked();
  if (what === "is deleted") await gateway.api("DELETE", `/api/agents/${registered.id}`);
  else agent.drop();
  await until(() => !gateway.gateway.hub.presence(registered.id), 5_000, "the agent to be gone");
  held.answer();
  expect(await upgrade).toMatchObject({ status, json: { code } });
});

test("an agent that comes back with rexec.v1 while a viewer is let in: the viewer gets rexec.v1", async () => {
  const held = heldDirectory("takeSeat");
  await using gateway = await startGateway({ directory: held.directory });
  const registered = await gateway.register();
  const agent = new V2Agent(() => `${gateway.url}/ws/agent/${registered.id}`, registered.token);
  await agent.connect();
  const upgrade = knock(viewerUrl(gateway, registered.id, "a"), {
    Authorization: `Bearer ${gateway.token}`,
    "Sec-WebSocket-Protocol": "rexec.v2, rexec.v1",
  });
  await held.asked();
  await using _older = agent;
  await using _newer = await V1Agent.connect(gateway, registered);
  held.answer();
  const { status, headers } = await upgrade;
  expect([status, headers.get("sec-websocket-protocol")]).toEqual([101, "rexec.v1"]);
});

test("an ephemeral agent that is back before it is forgotten stays", async () => {
  const held = heldDirectory("presences");
  await using gateway = await startGateway({ directory: held.directory, timings: { ephemeralMs: 1_000 } });
  const { json } = await gateway.api("POST", "/api/agents/register", { name: "job", ephemeral: true });
  await held.asked();
  await using agent = await V1Agent.connect(gateway, json);
  await until(
    async () => (await gateway.gateway.store.agents.get(json.id))?.connected_at !== null,
    5_000,
    "it to be recorded",
  );
  const before = held.questions();
  held.answer();
  await until(() => held.questions() > before + 1, 5_000, "the next looks for agents that stay away");
  expect((await gateway.api("GET", `/api/agents/${json.id}`)).json.status).toBe("online");
  expect(agent.isClosed).toBe(false);
});
