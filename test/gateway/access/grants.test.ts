/** Rights over agents of others: by user, by group, by tag; and what becomes of open terminals when they are taken. */
import { describe, expect, test } from "bun:test";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { knock } from "../../support/socket.ts";
import { V1Agent } from "../../support/v1-agent.ts";
import { V1Viewer } from "../../support/v1-viewer.ts";
import { within } from "../../support/wait.ts";

async function member(gateway: TestGateway) {
  const { userId, token } = await gateway.stranger();
  const name = (await gateway.gateway.store.users.get(userId))?.username ?? "";
  const list = async () =>
    (await gateway.api("GET", "/api/agents", undefined, token)).json as { id: string }[];
  return { userId, token, name, ids: async () => (await list()).map(({ id }) => id) };
}

async function grant(gateway: TestGateway, body: object, token = gateway.token) {
  return gateway.api("POST", "/api/grants", body, token);
}

async function tagged(gateway: TestGateway, tags: string[], token = gateway.token) {
  const { json } = await gateway.api("POST", "/api/agents/register", { name: "box", tags }, token);
  return { id: json.id as string, token: json.token as string };
}

describe("a right over agents of others", () => {
  test("by tag covers just the agents that have it, whatever stands in the tag", async () => {
    await using gateway = await startGateway();
    const someone = await member(gateway);
    const names = ["prod", 'pr"od', "pro\\d", "pröd", "%", "_", "PROD", "prod,x"];
    const agents = await Promise.all(names.map((tag) => tagged(gateway, ["other", tag])));
    for (const [index, tag] of names.entries()) {
      const { json } = await grant(gateway, { user: someone.name, target: `tag:${tag}`, level: "view" });
      expect(await someone.ids()).toEqual([agents[index]?.id ?? ""]);
      expect((await gateway.api("DELETE", `/api/grants/${json.id}`)).status).toBe(200);
      expect(await someone.ids()).toEqual([]);
    }
  });

  test("of a member goes by its own agents only, that of an administrator by all", async () => {
    await using gateway = await startGateway();
    const [giver, taker] = [await member(gateway), await member(gateway)];
    const own = await tagged(gateway, ["prod"], giver.token);
    const foreign = await tagged(gateway, ["prod"]);
    await grant(gateway, { user: taker.name, target: "tag:prod", level: "use" }, giver.token);
    expect(await taker.ids()).toEqual([own.id]);
    expect(
      (await grant(gateway, { user: taker.name, target: foreign.id, level: "view" }, giver.token)).status,
    ).toBe(403);
    await grant(gateway, { user: taker.name, target: "tag:prod", level: "use" });
    expect((await taker.ids()).sort()).toEqual([own.id, foreign.id].sort());
  });

  test("by group comes and goes with the membership; the highest right counts", async () => {
    await using gateway = await startGateway();
    const someone = await member(gateway);
    const box = await tagged(gateway, ["prod"]);
    expect((await gateway.api("POST", "/api/groups", { name: "ops" })).status).toBe(201);
    expect((await gateway.api("POST", "/api/groups", { name: "ops" })).status).toBe(409);
    await grant(gateway, { group: "ops", target: "tag:prod", level: "manage" });
    await grant(gateway, { user: someone.name, target: box.id, level: "view" });
    const level = async () =>
      (await gateway.api("GET", `/api/agents/${box.id}`, undefined, someone.token)).json.level;
    expect(await level()).toBe("view");
    await gateway.api("POST", "/api/groups/ops/members", { user: someone.name });
    expect(await level()).toBe("manage");
    await gateway.api("DELETE", `/api/groups/ops/members/${someone.name}`);
    expect(await level()).toBe("view");
  });

  test("finds its user however the name is written", async () => {
    await using gateway = await startGateway();
    const someone = await member(gateway);
    const box = await tagged(gateway, []);
    await grant(gateway, { user: someone.name.toUpperCase(), target: box.id, level: "view" });
    expect(await someone.ids()).toEqual([box.id]);
  });

  test("is paged with the own agents, in one order", async () => {
    await using gateway = await startGateway();
    const someone = await member(gateway);
    const ids = [];
    for (let i = 0; i < 7; i += 1)
      ids.push((await tagged(gateway, ["x"], i % 2 ? gateway.token : someone.token)).id);
    await grant(gateway, { user: someone.name, target: "tag:x", level: "view" });
    const seen: string[] = [];
    let path: string | undefined = "/api/agents?limit=2";
    while (path) {
      const { json, headers } = await gateway.api("GET", path, undefined, someone.token);
      seen.push(...json.map(({ id }: { id: string }) => id));
      path = /<([^>]+)>/.exec(headers.get("link") ?? "")?.[1];
    }
    expect(seen).toEqual(await someone.ids());
    expect([...seen].sort()).toEqual([...ids].sort());
  });

  test("is refused where it names nobody, both, or a level that there is not", async () => {
    await using gateway = await startGateway();
    const box = await tagged(gateway, []);
    const someone = await member(gateway);
    const status = async (body: object) => (await grant(gateway, body)).status;
    expect(await status({ target: box.id, level: "view" })).toBe(400);
    expect(await status({ user: someone.name, group: "ops", target: box.id, level: "view" })).toBe(400);
    expect(await status({ user: someone.name, target: box.id, level: "root" })).toBe(400);
    expect(await status({ user: someone.name, target: "tag:", level: "view" })).toBe(400);
    expect(await status({ user: "nobody-of-that-name", target: box.id, level: "view" })).toBe(404);
    expect(await status({ user: someone.name, target: crypto.randomUUID(), level: "view" })).toBe(404);
    expect(await status({ user: someone.name, target: `tag:${"x".repeat(200)}`, level: "view" })).toBe(400);
  });
});

describe("a right that is taken away", () => {
  const WAYS: [
    string,
    (gateway: TestGateway, stage: { grant: string; id: string; name: string }) => Promise<unknown>,
  ][] = [
    ["by its giver", (gateway, { grant: id }) => gateway.api("DELETE", `/api/grants/${id}`)],
    [
      "by a change of tags",
      (gateway, { id }) => gateway.api("PATCH", `/api/agents/${id}`, { tags: ["test"] }),
    ],
    ["with the group", (gateway) => gateway.api("DELETE", "/api/groups/ops")],
    [
      "with the membership",
      (gateway, { name }) => gateway.api("DELETE", `/api/groups/ops/members/${encodeURIComponent(name)}`),
    ],
  ];

  for (const [how, take] of WAYS) {
    test(`${how} ends open terminals within a second, and those of others go on`, async () => {
      await using gateway = await startGateway();
      const someone = await member(gateway);
      const box = await tagged(gateway, ["prod"]);
      await using _agent = await V1Agent.connect(gateway, box);
      await gateway.api("POST", "/api/groups", { name: "ops" });
      await gateway.api("POST", "/api/groups/ops/members", { user: someone.name });
      const { json } = await grant(gateway, { group: "ops", target: "tag:prod", level: "use" });
      await using theirs = await V1Viewer.connect(gateway, box.id, "theirs", "", someone.token);
      await using own = await V1Viewer.connect(gateway, box.id, "own");
      const before = performance.now();
      await take(gateway, { grant: json.id, id: box.id, name: someone.name });
      const end = await within(theirs.closed, 1_000, "the end of the viewer's socket");
      expect([end.code, end.reason]).toEqual([4004, "the right to this agent was taken away"]);
      expect(performance.now() - before).toBeLessThan(1_000);
      await own.settle();
      const again = await knock(`${gateway.url}/ws/agent/${box.id}/terminal`, {
        Authorization: `Bearer ${someone.token}`,
      });
      expect(again.status).toBe(403);
    });
  }
});

describe("a restricted token", () => {
  test("reaches its agents and nothing else, and makes no other token", async () => {
    await using gateway = await startGateway();
    const [prod, test_, named] = [
      await tagged(gateway, ["prod"]),
      await tagged(gateway, ["test"]),
      await tagged(gateway, []),
    ];
    const { json } = await gateway.api("POST", "/api/tokens", {
      name: "ci",
      scopes: ["*"],
      only_agents: ["tag:prod", named.id],
    });
    const as = (method: string, path: string, body?: unknown) => gateway.api(method, path, body, json.token);
    expect((await as("GET", "/api/agents")).json.map(({ id }: { id: string }) => id)).toEqual([
      prod.id,
      named.id,
    ]);
    expect((await as("GET", `/api/agents/${prod.id}`)).status).toBe(200);
    for (const [method, path, body] of [
      ["GET", `/api/agents/${test_.id}`],
      ["POST", "/api/agents/register", { name: "x" }],
      ["POST", "/api/tokens", { name: "x", scopes: ["*"] }],
      ["POST", "/api/groups", { name: "x" }],
      ["POST", "/api/grants", { user: "admin", target: "tag:test", level: "view" }],
      ["POST", "/api/grants", { user: "admin", target: test_.id, level: "view" }],
    ] as const) {
      expect([method, path, (await as(method, path, body)).status]).toEqual([method, path, 403]);
    }
    // An agent that loses the tag is out of reach at once.
    await gateway.api("PATCH", `/api/agents/${prod.id}`, { tags: [] });
    expect((await as("GET", `/api/agents/${prod.id}`)).status).toBe(403);
  });

  test("cannot be restricted to what its user does not see", async () => {
    await using gateway = await startGateway();
    const box = await tagged(gateway, []);
    const someone = await member(gateway);
    const make = (only_agents: unknown) =>
      gateway.api("POST", "/api/tokens", { name: "x", scopes: ["read"], only_agents }, someone.token);
    expect((await make([box.id])).status).toBe(403);
    expect((await make(["tag:"])).status).toBe(400);
    expect((await make([crypto.randomUUID()])).status).toBe(404);
    expect((await make(Array.from({ length: 65 }, () => "tag:x"))).status).toBe(400);
    expect((await make(["tag:x"])).status).toBe(201);
  });
});
