import { expect, test } from "bun:test";
import { CLOSE_DELETED } from "../../src/protocol/close-codes.ts";
import { lateDirectory } from "../support/late-directory.ts";
import { V2Agent } from "../support/v2-agent.ts";
import { v2Stage } from "../support/v2-stage.ts";
import { until, within } from "../support/wait.ts";

test("the directory tells of agents that come, are replaced, go and are deleted, each once and in order", async () => {
  await using here = await v2Stage();
  const { gateway, agentId } = here;
  const heard: string[] = [];
  const unsubscribe = gateway.gateway.hub.subscribe((event) => {
    if ("agentId" in event && event.agentId === agentId) heard.push(event.type);
  });
  const { token } = await gateway.mint(["agent"], { agent_id: agentId });
  const again = new V2Agent(() => `${gateway.url}/ws/agent/${agentId}`, token);
  await again.connect();
  await until(() => heard.includes("superseded"), 5_000, "the first link to be replaced");
  await again[Symbol.asyncDispose]();
  await until(() => heard.includes("disconnected"), 5_000, "the second link to go");
  await here.agent.connect();
  await until(() => heard.at(-1) === "connected", 5_000, "the agent to be back");
  await gateway.api("DELETE", `/api/agents/${agentId}`);
  await until(() => heard.includes("deleted"), 5_000, "word of its end");
  expect(heard.filter((type) => type !== "updated")).toEqual([
    "superseded",
    "connected",
    "disconnected",
    "connected",
    "deleted",
  ]);
  unsubscribe();
});

test("no caller needs the directory's answers at once: a gateway whose directory takes 50 ms serves all the same", async () => {
  await using here = await v2Stage({ directory: lateDirectory(50) });
  const { gateway, agentId, agent } = here;
  await until(
    async () => (await gateway.api("GET", `/api/agents/${agentId}`)).json.status === "online",
    5_000,
    "the list to have the agent online",
  );
  await using viewer = await here.viewer().attach();
  await agent.write("main", "still here");
  await viewer.sees("still here");
  const sessions = await gateway.api("GET", `/api/agents/${agentId}/sessions`);
  expect(sessions.json.sessions).toMatchObject([{ session: "main", viewers: 1 }]);
  // The upgrade waits for its seat while the agent is deleted.
  const late = new WebSocket(
    `${gateway.url.replace(/^http/, "ws")}/ws/agent/${agentId}/terminal?id=${crypto.randomUUID()}`,
    { headers: { Authorization: `Bearer ${gateway.token}` }, protocols: ["rexec.v2"] },
  );
  const ended = new Promise((resolve) => late.addEventListener("close", resolve));
  expect((await gateway.api("DELETE", `/api/agents/${agentId}`)).status).toBeLessThan(300);
  await until(() => viewer.closes[0]?.code === CLOSE_DELETED, 5_000, "the viewer to be told of the end");
  await within(ended, 5_000, "the late viewer to be refused or closed");
  expect((await gateway.api("GET", `/api/agents/${agentId}`)).status).toBe(404);
});
