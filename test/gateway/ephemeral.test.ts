/** What the gateway does for agents of CI jobs: it tells them who is there, and forgets those that stay away. */
import { describe, expect, test } from "bun:test";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
import { until } from "../support/wait.ts";

async function register(gateway: TestGateway, ephemeral: boolean, name = "job") {
  const { json } = await gateway.api("POST", "/api/agents/register", { name, ephemeral });
  return { id: String(json.id), token: String(json.token) };
}

const counts = (agent: V1Agent) =>
  agent.messages.filter(({ type }) => type === "viewers").map(({ data }) => data.count);
const hears = (agent: V1Agent, ...expected: number[]) =>
  until(
    () => Bun.deepEquals(counts(agent), expected),
    5_000,
    () => `the counts ${expected}, not ${counts(agent)}`,
  );

describe("who is there", () => {
  test("is told to an ephemeral agent when it connects and at each change; who dropped off counts for the hold time", async () => {
    await using gateway = await startGateway({ timings: { viewerGraceMs: 300 } });
    const registered = await register(gateway, true);
    await using agent = await V1Agent.connect(gateway, registered);
    await hears(agent, 0);
    await using first = await V1Viewer.connect(gateway, registered.id, "a");
    await hears(agent, 0, 1);
    await using second = await V1Viewer.connect(gateway, registered.id, "b");
    await hears(agent, 0, 1, 2);
    second.ws.close(1000);
    await hears(agent, 0, 1, 2, 1);
    first.ws.terminate();
    await first.closed;
    await using again = await V1Viewer.connect(gateway, registered.id, "a");
    again.ws.terminate();
    const lostAt = performance.now();
    await hears(agent, 0, 1, 2, 1, 0);
    expect(performance.now() - lostAt).toBeGreaterThan(250);
  });

  test("is told anew after a reconnect, and never to any other agent", async () => {
    await using gateway = await startGateway();
    const job = await register(gateway, true);
    const usual = await register(gateway, false, "box");
    const before = await V1Agent.connect(gateway, job);
    await using box = await V1Agent.connect(gateway, usual);
    await using viewer = await V1Viewer.connect(gateway, job.id, "a");
    await using other = await V1Viewer.connect(gateway, usual.id, "a");
    await Promise.all([viewer.next("shell_started"), other.next("shell_started")]);
    before.ws.terminate();
    await before.closed;
    await using after = await V1Agent.connect(gateway, job);
    await hears(after, 1);
    expect(counts(box)).toEqual([]);
  });
});

describe("an ephemeral agent that stays away", () => {
  const ids = async (gateway: TestGateway) =>
    (await gateway.api("GET", "/api/agents")).json.map(({ id }: { id: string }) => id);

  test("is forgotten with its token, be it that it never came; one that is there, and others, stay", async () => {
    // Long enough for a busy machine to register and connect those that are to stay.
    await using gateway = await startGateway({ timings: { ephemeralMs: 2_000 } });
    const [here, gone, never] = [
      await register(gateway, true, "here"),
      await register(gateway, true, "gone"),
      await register(gateway, true, "never"),
    ];
    const usual = await register(gateway, false, "usual");
    await using _here = await V1Agent.connect(gateway, here);
    const left = await V1Agent.connect(gateway, gone);
    await using viewer = await V1Viewer.connect(gateway, gone.id, "a");
    left.ws.terminate();
    await until(async () => (await ids(gateway)).length === 2, 15_000, "two to be forgotten");
    expect((await ids(gateway)).sort()).toEqual([here.id, usual.id].sort());
    expect((await viewer.closed).code).toBe(4004);
    const { json } = await gateway.api("GET", "/api/tokens");
    const names = json.tokens.map(({ name }: { name: string }) => name);
    expect(names).toContain("agent: here");
    expect(names).not.toContain("agent: gone");
    expect((await gateway.api("GET", "/api/tokens/validate", undefined, never.token)).status).toBe(401);
  });

  test("has its time from the gateway's own start on", async () => {
    await using gateway = await startGateway({ timings: { ephemeralMs: 1_000 } });
    const job = await register(gateway, true);
    await Bun.sleep(700); // longer than what would be left of its time
    await gateway.restart();
    const startedAt = performance.now();
    await until(async () => (await ids(gateway)).length === 0, 5_000, "it to be forgotten");
    expect(performance.now() - startedAt).toBeGreaterThan(900);
    expect(job.id).toBeString();
  });

  test("that unregisters leaves no token behind", async () => {
    await using gateway = await startGateway();
    const job = await register(gateway, true);
    expect((await gateway.api("DELETE", `/api/agents/${job.id}`, undefined, job.token)).status).toBe(200);
    const { json } = await gateway.api("GET", "/api/tokens");
    expect(json.tokens.map(({ name }: { name: string }) => name)).toEqual(["admin"]);
  });
});
