import { describe, expect, test } from "bun:test";
import { startGateway } from "../support/gateway.ts";
import { knock } from "../support/socket.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
import { until, within } from "../support/wait.ts";

const SYSTEM_INFO = {
  os: "linux",
  arch: "arm64",
  num_cpu: 4,
  hostname: "pi",
  memory: { total: 8 * 1024 ** 3, available: 1, free: 1 },
  disk: { total: 64 * 1024 ** 3, free: 1, available: 1 },
  is_root: false,
  has_sudo: true,
};
const STATS = { cpu_percent: 12.5, memory: 1, memory_limit: 2, disk_usage: 3, disk_limit: 4 };

describe("an agent's presence", () => {
  test("shows online with its times, its machine and its statistics, and offline after", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.register();
    const agent = await V1Agent.connect(gateway, { id, token }, { headers: { "X-Agent-Distro": "debian" } });
    agent.send({ type: "system_info", data: SYSTEM_INFO });
    agent.send({ type: "stats", data: STATS });
    await agent.settle();
    const { json } = await gateway.api("GET", `/api/agents/${id}`);
    expect(json).toMatchObject({
      status: "online",
      distro: "debian",
      system_info: SYSTEM_INFO,
      stats: STATS,
    });
    expect(Date.now() - Date.parse(json.connected_at)).toBeLessThan(10_000);
    expect(Date.parse(json.last_ping)).toBeGreaterThanOrEqual(Date.parse(json.connected_at));
    const status = await gateway.api("GET", `/api/agents/${id}/status`);
    expect(status.json).toMatchObject({ status: "online", sessions: 0, os: "linux", stats: STATS });
    const [container] = (await gateway.api("GET", "/api/containers")).json.containers;
    expect(container).toMatchObject({
      status: "running",
      hostname: "pi",
      resources: { memory_mb: 8192, cpu_shares: 4096 },
    });
    agent.drop();
    const offline = await until(
      async () => {
        const after = await gateway.api("GET", `/api/agents/${id}`);
        return after.json.status === "offline" && after.json;
      },
      5_000,
      "the agent to be offline",
    );
    expect(offline).toMatchObject({ system_info: SYSTEM_INFO, connected_at: json.connected_at });
    expect(offline.stats).toBeUndefined();
  });

  test("counts the shells that run", async () => {
    await using gateway = await startGateway();
    const registered = await gateway.register();
    await using agent = await V1Agent.connect(gateway, registered);
    await using viewer = await V1Viewer.connect(gateway, registered.id, "v", "newSession=true");
    await viewer.next("shell_started");
    const sessions = async () =>
      (await gateway.api("GET", `/api/agents/${registered.id}/status`)).json.sessions;
    expect(await sessions()).toBe(1);
    agent.stopped("split-v", { exit_code: 0 });
    await viewer.next("shell_stopped");
    expect(await sessions()).toBe(0);
  });
});

describe("liveness", () => {
  test("a silent agent is pinged, and given up after the time; one that answers is kept", async () => {
    await using gateway = await startGateway({ timings: { tickMs: 20, pingMs: 50, deadPeerMs: 400 } });
    const { id, token } = await gateway.register();
    await using agent = await V1Agent.connect(gateway, { id, token });
    await until(() => agent.pings >= 12, 5_000, "pings for longer than silence is borne");
    expect(agent.isClosed).toBe(false);
    agent.ws.pause(); // neither reads nor answers from here on
    await until(
      async () => (await gateway.api("GET", `/api/agents/${id}`)).json.status === "offline",
      5_000,
      "the silent agent to be given up",
    );
    expect(gateway.log.join("\n")).toContain("no sign of life");
  });

  test("a JSON ping is answered, and what makes no sense is counted, not fatal", async () => {
    await using gateway = await startGateway();
    const registered = await gateway.register();
    await using agent = await V1Agent.connect(gateway, registered);
    for (const nonsense of [
      "{",
      "[]",
      '"x"',
      "null",
      '{"type":1}',
      '{"type":"shell_output","data":{"data":"***"}}',
    ]) {
      agent.send(nonsense);
    }
    agent.send('{"type":"something_new","data":{}}');
    agent.send(new Uint8Array([1, 2, 3]));
    await agent.settle();
    const warnings = gateway.log.filter((line) => line.startsWith("warn:"));
    expect(warnings.length).toBeWithin(5, 8);
    expect(warnings.join("\n")).toContain("more of it is only counted");
  });

  test("a flood of nonsense closes the socket with 1008", async () => {
    await using gateway = await startGateway();
    const registered = await gateway.register();
    await using agent = await V1Agent.connect(gateway, registered);
    for (let i = 0; i < 1_100; i += 1) agent.send("{");
    expect(await within(agent.closed, 5_000, "the close")).toMatchObject({ code: 1008 });
  });
});

describe("one agent id connected twice", () => {
  test("the newest wins, the older is told by whom, and viewers go on with the newer", async () => {
    await using gateway = await startGateway();
    const registered = await gateway.register();
    await using older = await V1Agent.connect(gateway, registered);
    await using viewer = await V1Viewer.connect(gateway, registered.id, "v");
    await viewer.next("shell_started");
    await using newer = await V1Agent.connect(gateway, registered);
    const { code, reason } = await within(older.closed, 5_000, "the older one's close");
    expect(code).toBe(4001);
    expect(reason).toContain("127.0.0.1");
    await newer.next("shell_start");
    newer.output("main", "from the newer");
    await viewer.sees("from the newer");
    expect((await gateway.api("GET", `/api/agents/${registered.id}`)).json.status).toBe("online");
  });
});

describe("the end of an agent's right to be there", () => {
  test("deletion closes its socket and its viewers with 4004", async () => {
    await using gateway = await startGateway();
    const registered = await gateway.register();
    await using agent = await V1Agent.connect(gateway, registered);
    await using viewer = await V1Viewer.connect(gateway, registered.id, "v");
    await gateway.api("DELETE", `/api/agents/${registered.id}`);
    expect(await within(agent.closed, 5_000, "the agent's close")).toMatchObject({ code: 4004 });
    expect(await within(viewer.closed, 5_000, "the viewer's close")).toMatchObject({ code: 4004 });
    const headers = { Authorization: `Bearer ${registered.token}` };
    expect((await knock(`${gateway.url}/ws/agent/${registered.id}`, headers)).status).toBe(401);
    const asUser = { Authorization: `Bearer ${gateway.token}` };
    expect((await knock(`${gateway.url}/ws/agent/${registered.id}`, asUser)).status).toBe(404);
  });

  test("a revoked token closes the sockets that it opened, and no others", async () => {
    await using gateway = await startGateway();
    const registered = await gateway.register();
    const user = await gateway.mint(["user"]);
    await using agent = await V1Agent.connect(gateway, registered);
    await using theirs = await V1Viewer.connect(gateway, registered.id, "a", "", user.token);
    await using ours = await V1Viewer.connect(gateway, registered.id, "b");
    await gateway.api("DELETE", `/api/tokens/${user.id}`);
    expect(await within(theirs.closed, 5_000, "the viewer's close")).toMatchObject({ code: 4004 });
    await ours.settle();
    const tokens = (await gateway.api("GET", "/api/tokens")).json.tokens;
    const own = tokens.find((each: { agent_id?: string }) => each.agent_id === registered.id);
    await gateway.api("DELETE", `/api/tokens/${own.id}`);
    expect(await within(agent.closed, 5_000, "the agent's close")).toMatchObject({ code: 4004 });
  });

  test("a token that expires closes its sockets", async () => {
    await using gateway = await startGateway({ timings: { tickMs: 20 } });
    const { makeToken } = await import("../../src/gateway/auth/token.ts");
    const { store } = gateway.gateway;
    const admin = await store.users.firstAdmin();
    const registered = await gateway.register();
    const made = makeToken();
    await store.tokens.create(made, {
      userId: admin?.id ?? "",
      name: "short",
      scopes: ["*"],
      expiresAt: new Date(Date.now() + 500).toISOString(),
    });
    await using agent = await V1Agent.connect(gateway, { id: registered.id, token: made.token });
    expect(await within(agent.closed, 5_000, "the close")).toMatchObject({
      code: 4004,
      reason: "the token expired",
    });
  });
});
