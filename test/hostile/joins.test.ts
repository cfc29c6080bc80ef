/** Attacks with join tokens: each bound is reached, no secret gets out, and others go on. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { JOINS_OF_A_USER } from "../../src/gateway/quotas.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { knock } from "../support/socket.ts";
import { V1Agent } from "../support/v1-agent.ts";

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway[Symbol.asyncDispose]());

const create = (body: object, by = gateway.token) => gateway.api("POST", "/api/joins", body, by);
const register = (token: string, body: object = { name: "box" }) =>
  gateway.api("POST", "/api/agents/register", body, token);

test("a user has so many join tokens that can be used, and another user has none the less", async () => {
  const greedy = await gateway.stranger();
  const wishes = Array.from({ length: JOINS_OF_A_USER + 20 }, () => ({}));
  const statuses: number[] = [];
  while (wishes.length > 0) {
    const some = wishes.splice(0, 50);
    statuses.push(
      ...(await Promise.all(some.map((wish) => create(wish, greedy.token)))).map(({ status }) => status),
    );
  }
  expect(statuses.filter((status) => status === 201)).toHaveLength(JOINS_OF_A_USER);
  expect(statuses.filter((status) => status === 403)).toHaveLength(20);
  expect((await create({})).status).toBe(201);
}, 60_000);

test("guesses are limited for each address, and a right token is let in all the same", async () => {
  await using strict = await startGateway();
  const { token } = (await strict.api("POST", "/api/joins", { uses: null })).json;
  const guesses = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      strict.api(
        "POST",
        "/api/agents/register",
        { name: "x" },
        `rexec_join_${String(index).padStart(64, "0")}`,
      ),
    ),
  );
  expect(guesses.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(25);
  expect((await strict.api("POST", "/api/agents/register", { name: "right" }, token)).status).toBe(201);
});

test.each([
  ["upper case", (token: string) => token.toUpperCase()],
  ["one digit less", (token: string) => token.slice(0, -1)],
  ["a digit more", (token: string) => `${token}0`],
  ["the form of an API token", (token: string) => token.replace("join_", "")],
  ["the form of a share", (token: string) => token.replace("join_", "share_")],
])("a join token in %s is none", async (_, change) => {
  const { token } = (await create({ uses: null })).json;
  expect([401, 429]).toContain((await register(change(token))).status);
});

test("a pattern and a name that are made to be slow are not", async () => {
  const { token } = (await create({ uses: null, name_pattern: `${"*a".repeat(63)}b` })).json;
  const started = performance.now();
  for (let index = 0; index < 50; index += 1) {
    expect((await register(token, { name: "a".repeat(128) })).status).toBe(403);
  }
  expect(performance.now() - started).toBeLessThan(5_000);
});

test("a machine does not write itself out of its token by what else it says", async () => {
  const { token } = (
    await create({ tags: ["dev"], approve: true, ephemeral: true, name_pattern: "web-*", uses: 5 })
  ).json;
  const { status, json } = await register(token, {
    name: "web-1",
    ephemeral: false,
    approve: false,
    pending: false,
    own_tags: [],
    joined_by: null,
    name_pattern: null,
    user_id: crypto.randomUUID(),
    id: crypto.randomUUID(),
    max_uses: null,
  });
  expect(status).toBe(201);
  const agent = (await gateway.api("GET", `/api/agents/${json.id}`)).json;
  expect(agent).toMatchObject({ pending: true, ephemeral: true, tags: ["dev"] });
  const patch = { pending: false, own_tags: ["x"], joined_by: null, name_pattern: null, description: "d" };
  await gateway.api("PATCH", `/api/agents/${json.id}`, patch, json.token);
  expect((await gateway.api("GET", `/api/agents/${json.id}`)).json).toMatchObject({
    pending: true,
    tags: ["dev"],
  });
});

test("a machine that knocks for ever while it waits writes little, logs little, and holds no one up", async () => {
  const { token } = (await create({ approve: true })).json;
  const waiting = (await register(token, { name: "waits" })).json;
  const other = await gateway.register("other");
  const lines = gateway.log.length;
  for (let round = 0; round < 20; round += 1) {
    const knocks = Array.from({ length: 10 }, () =>
      knock(`${gateway.url}/ws/agent/${waiting.id}`, { Authorization: `Bearer ${waiting.token}` }),
    );
    for (const { status } of await Promise.all(knocks)) expect(status).toBe(423);
  }
  expect(gateway.log.length - lines).toBeLessThan(20);
  await using _agent = await V1Agent.connect(gateway, other);
});

test("no join token is in a log, a file of the gateway, or a list", async () => {
  const { token } = (await create({ description: "secret" })).json;
  await register(token);
  await register(token);
  await gateway.api("GET", `/api/agents?token=${token}`, undefined, null);
  const files = readdirSync(gateway.dataDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), "latin1"));
  const secret = token.slice(20);
  expect(files.join("\n").includes(secret)).toBe(false);
  expect(gateway.log.join("\n").includes(secret)).toBe(false);
  for (const path of ["/api/joins", "/api/agents", "/api/audit", "/api/tokens"]) {
    expect((await gateway.api("GET", path)).text.includes(secret)).toBe(false);
  }
});
