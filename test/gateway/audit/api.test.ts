import { describe, expect, test } from "bun:test";
import { draftOf } from "../../../src/gateway/audit/draft.ts";
import type { AuditView } from "../../../src/gateway/audit/view.ts";
import { MAIN_CHAIN } from "../../../src/gateway/audit/writer.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { until, within } from "../../support/wait.ts";

async function list(gateway: TestGateway, query = "", token?: string): Promise<AuditView[]> {
  const { status, json } = await gateway.api("GET", `/api/audit${query}`, undefined, token);
  expect(status).toBe(200);
  return json.entries;
}

const actions = (rows: readonly AuditView[]) => [...new Set(rows.map(({ action }) => action))].sort();

/** Reads lines of a followed log. */
async function follow(gateway: TestGateway, query: string, token = gateway.token) {
  const stop = new AbortController();
  const response = await fetch(`${gateway.url}/api/audit?follow=1${query}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: stop.signal,
  });
  const rows: AuditView[] = [];
  const ended = (async () => {
    let text = "";
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) if (line) rows.push(JSON.parse(line));
    }
  })().catch(() => {}); // it was stopped here
  return {
    status: response.status,
    rows,
    ended,
    stop: () => stop.abort(),
    has: (count: number) => until(() => rows.length >= count && rows, 5_000, `${count} followed rows`),
  };
}

describe("GET /api/audit", () => {
  test("filters by time, user, agent, action and session, newest first", async () => {
    await using gateway = await startGateway();
    const { audits, users } = gateway.gateway.store;
    const admin = await users.firstAdmin();
    if (!admin) throw new Error("there is an administrator");
    const agent = { id: crypto.randomUUID(), name: "web-1" };
    const day = (n: number) => Date.UTC(2020, 0, n);
    const drafts = [
      draftOf({ action: "a.one", session: "main" }, day(1)),
      draftOf({ action: "a.two", agent }, day(2)),
      draftOf({ action: "ab.three", agent, session: "main" }, day(3)),
      draftOf({ action: "a", target: "x" }, day(4)),
    ];
    await until(async () => (await list(gateway)).length >= 2, 5_000, "the first rows");
    await audits.append(MAIN_CHAIN, drafts);
    const at = async (query: string) => (await list(gateway, query)).map(({ action }) => action);
    expect(await at("?until=2020-01-05T00:00:00Z")).toEqual(["a", "ab.three", "a.two", "a.one"]);
    expect(await at("?since=2020-01-02T00:00:00Z&until=2020-01-03T00:00:00Z")).toEqual(["a.two"]);
    expect(await at("?since=2020-01-02T01:00:00%2B01:00&until=2020-01-02T00:00:00.001Z")).toEqual(["a.two"]);
    expect(await at("?action=a.")).toEqual(["a.two", "a.one"]);
    expect(await at("?action=a.*")).toEqual(["a.two", "a.one"]);
    expect(await at("?action=a")).toEqual(["a"]);
    expect(await at("?agent=web-1")).toEqual(["ab.three", "a.two"]);
    expect(await at(`?agent=${agent.id}&session=main`)).toEqual(["ab.three"]);
    expect(await at("?session=main")).toEqual(["ab.three", "a.one"]);
    expect(await at("?user=nobody")).toEqual([]);
    await gateway.mint(["read"]);
    await until(async () => (await at(`?user=${admin.id}`)).includes("token.created"), 5_000, "the row");
    expect(await at("?user=admin")).toEqual(await at(`?user=${admin.id}`));
    for (const wrong of [
      "since=yesterday",
      "until=2020",
      "user=",
      `agent=${"x".repeat(300)}`,
      "limit=0",
      "cursor=x",
      "follow=1&after=-1",
    ])
      expect([wrong, (await gateway.api("GET", `/api/audit?${wrong}`)).status]).toEqual([wrong, 400]);
  });

  test("is read in pages, each with a link that keeps the filter", async () => {
    await using gateway = await startGateway();
    const drafts = Array.from({ length: 1_201 }, (_, index) =>
      draftOf(
        { action: index % 2 ? "odd.row" : "even.row", target: String(index) },
        Date.UTC(2020, 0, 1) + Math.floor(index / 7),
      ),
    );
    for (let at = 0; at < drafts.length; at += 200)
      await gateway.gateway.store.audits.append(MAIN_CHAIN, drafts.slice(at, at + 200));
    const seen: string[] = [];
    for (let next: string | null = "/api/audit?action=odd.row&limit=70"; next !== null; ) {
      const { json, headers } = await gateway.api("GET", next);
      seen.push(...json.entries.map(({ target }: AuditView) => target));
      next = /^<([^>]*)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1] ?? null;
    }
    expect(seen.length).toBe(600);
    expect(new Set(seen)).toEqual(
      new Set(drafts.filter((_, index) => index % 2).map(({ target }) => target ?? "")),
    );
    expect((await list(gateway, "?limit=100000")).length).toBe(500);
  });

  test("shows a member its own rows and those of agents that it manages, and an administrator all", async () => {
    await using gateway = await startGateway();
    const mine = await gateway.stranger();
    const other = await gateway.stranger();
    const register = (name: string, token: string) =>
      gateway.api("POST", "/api/agents/register", { name, os: "linux", arch: "amd64" }, token);
    const { json: ours } = await register("ours", mine.token);
    const { json: theirs } = await register("theirs", other.token);
    const { json: shared } = await register("shared", other.token);
    const { json: seen } = await register("seen", other.token);
    const username = (await gateway.gateway.store.users.get(mine.userId))?.username;
    const give = (target: string, level: string) =>
      gateway.api("POST", "/api/grants", { user: username, target, level }, other.token);
    expect((await give(shared.id, "manage")).status).toBe(201);
    expect((await give(seen.id, "use")).status).toBe(201);
    // An administrator changes each.
    for (const { id } of [ours, theirs, shared, seen])
      await gateway.api("PATCH", `/api/agents/${id}`, { description: "x" });
    await until(
      async () => (await list(gateway, "?action=agent.described")).length === 4,
      5_000,
      "the changes",
    );
    const agents = async (token: string) =>
      [
        ...new Set((await list(gateway, "?action=agent.described", token)).map(({ agent }) => agent?.name)),
      ].sort();
    expect(await agents(mine.token)).toEqual(["ours", "shared"]);
    expect(await agents(other.token)).toEqual(["seen", "shared", "theirs"]);
    expect(actions(await list(gateway, "", mine.token))).not.toContain("user.created");
    // What happened to an agent stays visible to its owner of then.
    await gateway.api("DELETE", `/api/agents/${ours.id}`);
    await until(async () => (await list(gateway, "?action=agent.removed")).length > 0, 5_000, "the removal");
    expect(await list(gateway, "?action=agent.removed", mine.token)).toMatchObject([
      { agent: { name: "ours" } },
    ]);
    expect(await list(gateway, "?action=agent.removed", other.token)).toEqual([]);
    // The filter of another widens nothing.
    expect(await list(gateway, `?user=${other.userId}&action=agent.registered`, mine.token)).toMatchObject([
      { agent: { name: "shared" } },
    ]);
  });

  test("goes on with what happens, from now on or behind a row, and ends with the token", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.mint(["*"]);
    const live = await follow(gateway, "&action=agent.", token);
    await gateway.register("one");
    await gateway.register("two");
    expect((await live.has(2)).map(({ agent }) => agent?.name)).toEqual(["one", "two"]);
    const again = await follow(gateway, `&after=${live.rows[0]?.seq}&action=agent.`, token);
    expect((await again.has(1)).map(({ agent }) => agent?.name)).toEqual(["two"]);
    await gateway.api("DELETE", `/api/tokens/${id}`);
    await within(Promise.all([live.ended, again.ended]), 1_000, "the ends");
    expect((await follow(gateway, "", token)).status).toBe(401);
  });

  test("keeps no follower that has left, and has a bounded number", async () => {
    await using gateway = await startGateway();
    const all = await Promise.all(Array.from({ length: 8 }, () => follow(gateway, "")));
    expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect((await follow(gateway, "")).status).toBe(429);
    for (const each of all.slice(1)) each.stop();
    await until(
      async () => {
        const next = await follow(gateway, "");
        next.stop();
        return next.status === 200;
      },
      5_000,
      "room for another one",
    );
    await gateway.register("one");
    expect((await all[0]?.has(1))?.length).toBeGreaterThan(0);
    all[0]?.stop();
  });

  test("follows a member's own rows alone, and ends when its rights change", async () => {
    await using gateway = await startGateway();
    const member = await gateway.stranger();
    const live = await follow(gateway, "", member.token);
    await gateway.register("not mine");
    await gateway.api("POST", "/api/agents/register", { name: "mine" }, member.token);
    expect((await live.has(1)).map(({ agent }) => agent?.name)).toEqual(["mine"]);
    await gateway.gateway.hub.publish({ type: "access_changed", userId: member.userId, agentId: null });
    await within(live.ended, 1_000, "the end");
  });
});
