/** Join tokens over HTTP and the socket of an agent: what they register, and that they do nothing else. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ROUTES } from "../../../src/gateway/http/routes.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { knock } from "../../support/socket.ts";
import { V1Agent } from "../../support/v1-agent.ts";
import { until } from "../../support/wait.ts";

let gateway: TestGateway;
const secrets: string[] = [];

beforeAll(async () => {
  gateway = await startGateway({ failedLogins: { burst: 1_000_000, refillMs: 1, maxAddresses: 10 } });
});
afterAll(async () => {
  for (const secret of secrets) expect(gateway.log.join("\n")).not.toContain(secret.slice(20));
  await gateway[Symbol.asyncDispose]();
});

async function join(body: object = {}, by = gateway.token): Promise<{ id: string; token: string }> {
  const { status, json } = await gateway.api("POST", "/api/joins", body, by);
  expect(status).toBe(201);
  secrets.push(json.token);
  return json;
}

const register = (token: string, body: object = {}) =>
  gateway.api("POST", "/api/agents/register", { name: "box", ...body }, token);
const names = async (query = "", by = gateway.token) =>
  (await gateway.api("GET", `/api/agents${query}`, undefined, by)).json.map(
    ({ name }: { name: string }) => name,
  );

describe("a join token", () => {
  test("is for one machine and an hour where nothing is said, and is shown once", async () => {
    const before = Date.now();
    const { json } = await gateway.api("POST", "/api/joins", {});
    expect(json).toMatchObject({ tags: [], max_uses: 1, uses: 0, ephemeral: false, approve: false });
    expect(json.token).toMatch(/^rexec_join_[0-9a-f]{64}$/);
    expect(Date.parse(json.expires_at) - before).toBeWithin(3_590_000, 3_610_000);
    const list = await gateway.api("GET", "/api/joins");
    expect(list.json.joins).toContainEqual(expect.objectContaining({ id: json.id, state: "valid" }));
    expect(list.text).not.toContain(json.token);
  });

  test("registers a machine of its user, with its tags, and is used up", async () => {
    const { id, token } = await join({ tags: ["prod", "eu"] });
    const { status, json } = await register(token, { name: "web-1" });
    expect(status).toBe(201);
    expect(json).toMatchObject({ name: "web-1", tags: ["prod", "eu"], token_info: { scopes: ["agent"] } });
    expect((await gateway.api("GET", `/api/agents/${json.id}`)).json).toMatchObject({ tags: ["prod", "eu"] });
    await using _agent = await V1Agent.connect(gateway, json);
    const again = await register(token);
    expect(again.status).toBe(401);
    expect(again.json).toMatchObject({
      code: "join_used_up",
      error: expect.stringContaining("its one machine"),
    });
    const listed = (await gateway.api("GET", "/api/joins")).json.joins.find(
      (each: { id: string }) => each.id === id,
    );
    expect(listed).toMatchObject({ uses: 1, state: "used_up", last_used_at: expect.any(String) });
  });

  test("of one use registers one of many machines that come at the same moment", async () => {
    const { token } = await join({ uses: 2 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => register(token, { name: "race" })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, ...Array(18).fill(401)]);
    expect((await names()).filter((name: string) => name === "race")).toHaveLength(2);
  });

  test("does nothing but register: every other address refuses it", async () => {
    const { token } = await join({ uses: null });
    const own = (await register(token, { name: "mine" })).json;
    for (const { method, path, action } of ROUTES) {
      if (action === "public" || path === "/api/agents/register") continue;
      const at = path.replace(":id", own.id).replaceAll(/:[a-z]+/g, () => crypto.randomUUID());
      const { status, json } = await gateway.api(method, at, method === "GET" ? undefined : {}, token);
      expect([method, path, status, json?.code]).toEqual([method, path, 403, "join_token"]);
    }
    for (const socket of [`/ws/agent/${own.id}`, `/ws/agent/${own.id}/terminal`, "/api/containers/events"]) {
      expect((await knock(`${gateway.url}${socket}`, { Authorization: `Bearer ${token}` })).status).toBe(403);
    }
  });

  test("that expired, was revoked, or is unknown registers nothing and says which", async () => {
    const revoked = await join({ uses: null });
    await register(revoked.token, { name: "before" });
    expect((await gateway.api("DELETE", `/api/joins/${revoked.id}`)).status).toBe(200);
    expect(await register(revoked.token)).toMatchObject({ status: 401, json: { code: "join_revoked" } });
    expect(await names()).toContain("before");
    const short = await join({ expires_in_seconds: 1 });
    await Bun.sleep(1_050);
    expect(await register(short.token)).toMatchObject({ status: 401, json: { code: "join_expired" } });
    const unknown = `rexec_join_${"0".repeat(64)}`;
    expect(await register(unknown)).toMatchObject({ status: 401, json: { code: "token_unknown" } });
  });

  test("is for names that fit, and takes no use for others; a machine does not rename itself out of them", async () => {
    const { token } = await join({ name_pattern: "web-*" });
    const refused = await register(token, { name: "db-1" });
    expect(refused).toMatchObject({ status: 403, json: { code: "join_name" } });
    expect(refused.json.error).toContain('"web-*"');
    const { json } = await register(token, { name: "web-7" });
    const path = `/api/agents/${json.id}`;
    expect(await gateway.api("PATCH", path, { name: "db-1" }, json.token)).toMatchObject({
      status: 403,
      json: { code: "name_locked" },
    });
    expect((await gateway.api("PATCH", path, { name: "web-8" }, json.token)).status).toBe(200);
    expect((await gateway.api("PATCH", path, { name: "db-1" })).status).toBe(200);
  });

  test("gives the tags: neither at once nor later does the machine add one, or take one off", async () => {
    const { token } = await join({ tags: ["dev"], uses: null });
    expect(await register(token, { tags: ["dev", "prod"] })).toMatchObject({
      status: 403,
      json: { code: "join_tags" },
    });
    const { json } = await register(token, { tags: ["dev"] });
    const path = `/api/agents/${json.id}`;
    expect(await gateway.api("PATCH", path, { tags: ["dev", "prod"] }, json.token)).toMatchObject({
      status: 403,
      json: { code: "tags_locked" },
    });
    const kept = await gateway.api("PATCH", path, { tags: [], description: "d" }, json.token);
    expect(kept.json).toMatchObject({
      tags: ["dev"],
      description: "d",
      warning: expect.stringContaining("dev"),
    });
    // Its owner does as the owner likes.
    expect((await gateway.api("PATCH", path, { tags: ["prod"] })).json).toMatchObject({ tags: ["prod"] });
    expect((await gateway.api("GET", path, undefined, json.token)).json).toMatchObject({ tags: ["prod"] });
  });

  test("makes its machines ephemeral, whatever they say", async () => {
    const { token } = await join({ ephemeral: true, uses: 2 });
    const { json } = await register(token, { name: "ci" });
    expect(json).toMatchObject({ ephemeral: true, namesake: false });
    expect((await gateway.api("GET", `/api/agents/${json.id}`)).json.ephemeral).toBe(true);
    expect((await register(token, { name: "ci" })).json).toMatchObject({ namesake: true });
  });

  test.each([
    ["no use", { uses: 0 }],
    ["half a use", { uses: 1.5 }],
    ["an end in the past", { expires_in_seconds: -1 }],
    ["no end", { expires_in_seconds: 1e12 }],
    ["a tag with a line end", { tags: ["a\nb"] }],
    ["too many tags", { tags: Array.from({ length: 65 }, (_, index) => `t${index}`) }],
    ["a blank pattern", { name_pattern: " " }],
    ["a long pattern", { name_pattern: "*".repeat(129) }],
  ])("with %s is not made", async (_, body) => {
    expect((await gateway.api("POST", "/api/joins", body)).status).toBe(400);
  });

  test("is another member's to use for that one's machines alone, and not to see or revoke", async () => {
    const member = await gateway.stranger();
    const { id, token } = await join({ tags: ["prod"] }, member.token);
    const { json } = await register(token, { name: "theirs" });
    expect((await gateway.api("GET", `/api/agents/${json.id}`)).json.user_id).toBe(member.userId);
    const other = await gateway.stranger();
    expect((await gateway.api("GET", "/api/joins", undefined, other.token)).json.joins).toEqual([]);
    expect((await gateway.api("DELETE", `/api/joins/${id}`, undefined, other.token)).status).toBe(403);
    expect((await gateway.api("DELETE", `/api/joins/${crypto.randomUUID()}`)).status).toBe(404);
  });
});

test("a tag that a machine gives itself is shown, and gives no right", async () => {
  const person = await gateway.stranger();
  const username = (await gateway.gateway.store.users.get(person.userId))?.username;
  await gateway.api("POST", "/api/grants", { user: username, target: "tag:vault", level: "use" });
  const agent = await gateway.register("self-made");
  const path = `/api/agents/${agent.id}`;
  expect((await gateway.api("PATCH", path, { tags: ["vault"] }, agent.token)).json.tags).toEqual(["vault"]);
  expect((await gateway.api("GET", path)).json).toMatchObject({ tags: ["vault"], own_tags: ["vault"] });
  expect(await names("", person.token)).toEqual([]);
  expect((await gateway.api("GET", path, undefined, person.token)).status).toBe(403);
  // A token that is restricted to the tag neither.
  const made = await gateway.api("POST", "/api/tokens", {
    name: "vaults",
    scopes: ["use"],
    only_agents: ["tag:vault"],
  });
  expect(await names("", made.json.token)).toEqual([]);
  // A client that writes back the list that it has read gives no right by that either.
  await gateway.api("PATCH", path, { tags: ["vault", "more"] });
  expect((await gateway.api("GET", path)).json).toMatchObject({
    tags: ["more", "vault"],
    own_tags: ["vault"],
  });
  expect(await names("", person.token)).toEqual([]);
  // Once its owner gives it the tag, it counts; and the machine cannot take it off.
  await gateway.api("PATCH", path, { add_tags: ["vault"], remove_tags: ["more"] });
  expect(await names("", person.token)).toEqual(["self-made"]);
  const audit = async () => (await gateway.api("GET", "/api/audit?action=agent.tagged")).json.entries;
  const isGiven = ({ details }: { details: object }) =>
    Bun.deepEquals(details, { from: "more", to: "vault", own: "" });
  await until(async () => (await audit()).some(isGiven), 5_000, "the audit to have that it was given");
  const off = await gateway.api("PATCH", path, { tags: [] }, agent.token);
  expect(off.json).toMatchObject({ tags: ["vault"], warning: expect.stringContaining("its owner alone") });
  expect(await names("", person.token)).toEqual(["self-made"]);
});

describe("a machine that waits to be accepted", () => {
  async function waiting(name: string, tags: string[] = []) {
    const { token } = await join({ approve: true, tags });
    const { json } = await register(token, { name });
    expect(json).toMatchObject({ pending: true, warning: expect.stringContaining("rexec accept") });
    return json as { id: string; token: string };
  }

  test("is in no list but that of those that wait, which its owner and administrators see", async () => {
    const member = await gateway.stranger();
    const grantee = await gateway.stranger();
    const { token } = await join({ approve: true, tags: ["secret"] }, member.token);
    await register(token, { name: "waits" });
    const username = (await gateway.gateway.store.users.get(grantee.userId))?.username;
    await gateway.api("POST", "/api/grants", { user: username, target: "tag:secret", level: "manage" });
    for (const by of [member.token, grantee.token, gateway.token])
      expect(await names("", by)).not.toContain("waits");
    expect(await names("?pending=true", member.token)).toEqual(["waits"]);
    expect(await names("?pending=true", gateway.token)).toContain("waits");
    expect(await names("?pending=true", grantee.token)).toEqual([]);
    const { containers } = (await gateway.api("GET", "/api/containers", undefined, member.token)).json;
    expect(containers).toEqual([]);
  });

  test("does not get in, is used by no one, and sees nothing", async () => {
    const agent = await waiting("outside");
    const socket = await knock(`${gateway.url}/ws/agent/${agent.id}`, {
      Authorization: `Bearer ${agent.token}`,
    });
    expect(socket).toMatchObject({ status: 423, json: { code: "agent_pending" } });
    const viewer = await knock(`${gateway.url}/ws/agent/${agent.id}/terminal`, {
      Authorization: `Bearer ${gateway.token}`,
    });
    expect(viewer.status).toBe(403);
    expect((await gateway.api("GET", "/api/agents", undefined, agent.token)).json).toEqual([]);
    expect(await gateway.api("PATCH", `/api/agents/${agent.id}`, { name: "x" }, agent.token)).toMatchObject({
      status: 403,
      json: { code: "agent_pending" },
    });
    expect((await gateway.api("POST", `/api/agents/${agent.id}/accept`, {}, agent.token)).status).toBe(403);
    for (const path of [`/api/agents/${agent.id}/sessions`, `/api/containers/${agent.id}`]) {
      expect((await gateway.api("GET", path)).status).not.toBe(500);
    }
  });

  test("gets in once it is accepted, which is done once", async () => {
    const agent = await waiting("inside");
    const accept = () => gateway.api("POST", `/api/agents/${agent.id}/accept`);
    const answers = await Promise.all([accept(), accept(), accept()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    await using _agent = await V1Agent.connect(gateway, agent);
    expect(await names()).toContain("inside");
    expect(await names("?pending=true")).not.toContain("inside");
  });

  test("is refused by its removal, after which its token is worth nothing", async () => {
    const agent = await waiting("refused");
    expect((await gateway.api("DELETE", `/api/agents/${agent.id}`)).status).toBe(200);
    const socket = await knock(`${gateway.url}/ws/agent/${agent.id}`, {
      Authorization: `Bearer ${agent.token}`,
    });
    expect([401, 404]).toContain(socket.status);
  });

  test("may go again by itself", async () => {
    const agent = await waiting("gone");
    expect((await gateway.api("DELETE", `/api/agents/${agent.id}`, undefined, agent.token)).status).toBe(200);
    expect(await names("?pending=true")).not.toContain("gone");
  });
});

test("machines that wait fill no account: the next one is refused, and takes no use", async () => {
  const member = await gateway.stranger();
  const { id, token } = await join({ approve: true, uses: null }, member.token);
  const answers = await Promise.all(Array.from({ length: 110 }, () => register(token)));
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(100);
  const refused = answers.filter(({ status }) => status === 403);
  expect(refused).toHaveLength(10);
  expect(refused[0]?.json.code).toBe("join_pending_limit");
  const [row] = (await gateway.api("GET", "/api/joins", undefined, member.token)).json.joins;
  expect(row).toMatchObject({ id, uses: 100 });
});

test("pages of join tokens have each one once", async () => {
  const member = await gateway.stranger();
  for (let index = 0; index < 5; index += 1) await join({ description: `j${index}` }, member.token);
  const seen: string[] = [];
  let path: string | null = "/api/joins?limit=2";
  while (path) {
    const { json, headers } = await gateway.api("GET", path, undefined, member.token);
    seen.push(...json.joins.map(({ description }: { description: string }) => description));
    path = /<([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1] ?? null;
  }
  expect(seen).toEqual(["j0", "j1", "j2", "j3", "j4"]);
});

test("the audit has each step with the right person, and no token", async () => {
  await using fresh = await startGateway();
  const member = await fresh.stranger();
  const name = (await fresh.gateway.store.users.get(member.userId))?.username;
  const wish = { approve: true, name_pattern: "audited*", uses: 2 };
  const { id, token } = (await fresh.api("POST", "/api/joins", wish, member.token)).json;
  const register = (name: string) => fresh.api("POST", "/api/agents/register", { name }, token);
  await register("other");
  const agent = (await register("audited")).json;
  const path = `/api/agents/${agent.id}`;
  await fresh.api("POST", `${path}/accept`);
  await fresh.api("PATCH", path, { name: "renamed", add_tags: ["t"], description: "d" }, member.token);
  await fresh.api("DELETE", `/api/joins/${id}`, undefined, member.token);
  await register("audited");
  await fresh.api("DELETE", path, undefined, member.token);
  const read = async () => (await fresh.api("GET", "/api/audit", undefined, member.token)).text;
  await until(async () => (await read()).includes("agent.removed"), 5_000, "the audit to have the last step");
  const { entries } = JSON.parse(await read());
  const steps = entries.map((entry: { action: string; user?: { name: string } }) => [
    entry.action,
    entry.user?.name === name ? "member" : entry.user?.name,
  ]);
  expect(steps.reverse()).toEqual([
    ["join.created", "member"],
    ["join.refused", "member"],
    ["join.used", "member"],
    ["agent.registered", "member"],
    ["agent.accepted", "admin"],
    ["agent.renamed", "member"],
    ["agent.tagged", "member"],
    ["agent.described", "member"],
    ["join.revoked", "member"],
    ["agent.removed", "member"],
  ]);
  expect(await read()).not.toContain(token.slice(20));
  expect(await read()).not.toContain(agent.token.slice(20));
});
