import { describe, expect, test } from "bun:test";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { knock, TestSocket } from "../support/socket.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { until, within } from "../support/wait.ts";

function follow(gateway: TestGateway, token = gateway.token): Promise<TestSocket> {
  return new TestSocket(`${gateway.url}/api/containers/events?token=${token}`).open();
}

/** The next event of that type for that agent. */
function event(follower: TestSocket, type: string, id: string, from = 0) {
  return follower.find(
    (message) => message.type === type && message.container?.id === `agent:${id}`,
    `an event ${type}`,
    from,
  );
}

describe("an agent as a container of the stock CLI", () => {
  test.each(["agent:", "agent%3A", "agent%3a", ""])(
    "is shown, stopped and removed as %sID",
    async (prefix) => {
      await using gateway = await startGateway();
      const registered = await gateway.register("box");
      const at = `/api/containers/${prefix}${registered.id}`;
      expect(await gateway.api("GET", at)).toMatchObject({
        status: 200,
        json: { id: `agent:${registered.id}`, name: "box", status: "offline", session_type: "agent" },
      });
      expect(await gateway.api("POST", `${at}/start`)).toMatchObject({
        status: 409,
        json: { code: "agent_offline" },
      });
      await using agent = await V1Agent.connect(gateway, registered);
      expect((await gateway.api("POST", `${at}/start`)).json).toMatchObject({ status: "running" });
      expect(await gateway.api("POST", `${at}/stop`)).toMatchObject({
        status: 200,
        json: { status: "stopped" },
      });
      await agent.next("shell_stop");
      expect((await gateway.api("GET", at)).json.status).toBe("running");
      expect(await gateway.api("DELETE", at)).toMatchObject({
        status: 200,
        json: { id: `agent:${registered.id}`, message: "agent deleted" },
      });
      expect(await within(agent.closed, 5_000, "its end")).toMatchObject({ code: 4004 });
      expect(await gateway.api("GET", at)).toMatchObject({ status: 404, json: { code: "agent_not_found" } });
    },
  );

  test("asks for the same permissions as the agents' routes", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.register();
    const [read, user, stranger] = [
      (await gateway.mint(["read"])).token,
      (await gateway.mint(["user"])).token,
      (await gateway.stranger()).token,
    ];
    const at = `/api/containers/agent:${id}`;
    const calls = [
      ["GET", at],
      ["POST", `${at}/stop`],
      ["DELETE", at],
    ] as const;
    const statuses = async (as: string | null) => {
      const answers = [];
      for (const [method, path] of calls)
        answers.push((await gateway.api(method, path, undefined, as)).status);
      return answers;
    };
    expect(await statuses(null)).toEqual([401, 401, 401]);
    expect(await statuses(stranger)).toEqual([403, 403, 403]);
    expect(await statuses(read)).toEqual([200, 403, 403]);
    const other = await gateway.register();
    expect(await statuses(other.token)).toEqual([403, 403, 403]);
    expect((await gateway.api("POST", `${at}/stop`, undefined, token)).status).toBe(403);
    expect(await statuses(user)).toEqual([200, 200, 200]);
  });

  test.each(["agent:..", "agent:nothing", "container-1", "agent:agent:00000000-0000-0000-0000-000000000000"])(
    "is not found as %s",
    async (id) => {
      await using gateway = await startGateway();
      expect((await gateway.api("DELETE", `/api/containers/${encodeURIComponent(id)}`)).status).toBe(404);
    },
  );
});

describe("the live list", () => {
  test("begins with all agents, and tells what becomes of each", async () => {
    await using gateway = await startGateway();
    const first = await gateway.register("first");
    await using follower = await follow(gateway);
    const list = await follower.next("list");
    expect(list.container).toMatchObject({
      containers: [{ id: `agent:${first.id}`, name: "first", status: "offline" }],
      count: 1,
    });
    expect(Date.parse(list.timestamp)).toBeGreaterThan(Date.now() - 60_000);
    const second = await gateway.register("second");
    await event(follower, "created", second.id);
    const agent = await V1Agent.connect(gateway, second);
    expect((await event(follower, "started", second.id)).container.status).toBe("running");
    await gateway.api("PATCH", `/api/agents/${second.id}`, { name: "renamed" });
    expect((await event(follower, "updated", second.id)).container.name).toBe("renamed");
    agent.drop();
    expect((await event(follower, "stopped", second.id)).container.status).toBe("offline");
    await gateway.api("DELETE", `/api/containers/agent:${second.id}`);
    await event(follower, "deleted", second.id);
    expect(follower.messages.filter(({ type }) => type === "list")).toHaveLength(1);
  });

  test("is one user's, and ends with the token", async () => {
    await using gateway = await startGateway();
    const stranger = await gateway.stranger();
    const minted = await gateway.mint(["read"]);
    await using theirs = await follow(gateway, stranger.token);
    await using ours = await follow(gateway, minted.token);
    await theirs.next("list");
    await ours.next("list");
    const { id } = await gateway.register();
    await event(ours, "created", id);
    expect(theirs.messages).toHaveLength(1);
    await gateway.api("DELETE", `/api/tokens/${minted.id}`);
    expect(await within(ours.closed, 5_000, "its end")).toMatchObject({ code: 4004 });
  });

  test("is refused before the upgrade where it may not be", async () => {
    await using gateway = await startGateway();
    const at = `${gateway.url}/api/containers/events`;
    expect((await knock(at)).status).toBe(401);
    const { token } = await gateway.register();
    expect((await knock(at, { Authorization: `Bearer ${token}` })).status).toBe(403);
    const authorization = { Authorization: `Bearer ${gateway.token}` };
    expect((await knock(`${at}?token=${gateway.token}`, { Origin: "https://evil.example" })).status).toBe(
      403,
    );
    expect((await gateway.api("GET", "/api/containers/events")).status).toBe(426);
    expect((await knock(at, authorization)).status).toBe(101);
  });

  test("has a bound of followers, and gives their places back", async () => {
    await using gateway = await startGateway();
    const followers = await Promise.all(Array.from({ length: 32 }, () => follow(gateway)));
    const at = `${gateway.url}/api/containers/events`;
    const headers = { Authorization: `Bearer ${gateway.token}` };
    expect((await knock(at, headers)).status).toBe(429);
    for (const follower of followers) follower.drop();
    await until(async () => (await knock(at, headers)).status === 101, 5_000, "a free place");
  });

  test("gathers what happens quickly into one event each", async () => {
    await using gateway = await startGateway();
    const { id } = await gateway.register();
    await using follower = await follow(gateway);
    await follower.next("list");
    for (let each = 0; each < 50; each += 1)
      await gateway.api("PATCH", `/api/agents/${id}`, { name: `name-${each}` });
    await follower.find(({ container }) => container?.name === "name-49", "the last name");
    expect(follower.messages.length).toBeLessThan(25);
  });
});
