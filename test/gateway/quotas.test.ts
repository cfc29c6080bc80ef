import { describe, expect, test } from "bun:test";
import { DEAD_TOKENS_LISTED, TOKENS_OF_AN_AGENT } from "../../src/gateway/quotas.ts";
import { type Answer, startGateway, type TestGateway } from "../support/gateway.ts";

describe("one user", () => {
  test("registers as many agents as the quota allows, and one more once one is removed", async () => {
    await using gateway = await startGateway({ quotas: { agents: 3 } });
    const register = () => gateway.api("POST", "/api/agents/register", { name: "box" });
    const made = await Promise.all(Array.from({ length: 12 }, register));
    const refused = made.filter(({ status }) => status !== 201);
    expect(refused.length).toBe(9);
    for (const { status, json } of refused) {
      expect([status, json.code]).toEqual([403, "agent_limit_reached"]);
      expect(json.error).toContain("3 agents");
    }
    const stranger = await gateway.stranger();
    const theirs = await gateway.api("POST", "/api/agents/register", { name: "box" }, stranger.token);
    expect(theirs.status).toBe(201);
    const kept = made.find(({ status }) => status === 201);
    await gateway.api("DELETE", `/api/agents/${kept?.json.id}`);
    expect((await register()).status).toBe(201);
    expect((await register()).status).toBe(403);
  });

  test("has as many valid tokens as the quota allows; revoked and agents' own ones do not count", async () => {
    await using gateway = await startGateway({ quotas: { tokens: 3 } });
    const mint = () => gateway.api("POST", "/api/tokens", { name: "t", scopes: ["read"] });
    await gateway.register();
    await gateway.register();
    // The administrator's own is the first of the three.
    const made = await Promise.all([mint(), mint(), mint(), mint()]);
    expect(made.map(({ status }) => status).sort()).toEqual([201, 201, 403, 403]);
    expect(made.find(({ status }) => status === 403)?.json.code).toBe("token_limit_reached");
    const one = made.find(({ status }) => status === 201);
    await gateway.api("DELETE", `/api/tokens/${one?.json.id}`);
    expect((await mint()).status).toBe(201);
  });

  test("makes no endless number of tokens for one agent", async () => {
    await using gateway = await startGateway();
    const { id } = await gateway.register();
    const mint = () => gateway.api("POST", "/api/tokens", { name: "t", scopes: ["agent"], agent_id: id });
    const made: Answer[] = [];
    for (let i = 0; i < TOKENS_OF_AN_AGENT + 2; i += 1) made.push(await mint());
    expect(made.filter(({ status }) => status === 201).length).toBe(TOKENS_OF_AN_AGENT - 1);
    expect(made.at(-1)?.json.error).toContain("this agent");
  });

  test("fills no table by making and revoking in turn, or by registering and removing", async () => {
    await using gateway = await startGateway();
    const turns = DEAD_TOKENS_LISTED / 2 + 20;
    for (let i = 0; i < turns; i += 1) {
      const { json } = await gateway.api("POST", "/api/tokens", { name: "t", scopes: ["read"] });
      await gateway.api("DELETE", `/api/tokens/${json.id}`);
      const agent = await gateway.register();
      await gateway.api("DELETE", `/api/agents/${agent.id}`);
    }
    const { json } = await gateway.api("GET", "/api/tokens");
    expect(json.tokens.length).toBe(DEAD_TOKENS_LISTED + 1);
    expect(json.tokens[0].revoked_at).toBeUndefined();
  }, 60_000);
});

describe("a list in pages", () => {
  test.each([
    ["/api/agents", (answer: Answer): unknown[] => answer.json],
    ["/api/containers", (answer: Answer): unknown[] => answer.json.containers],
  ])("%s holds each agent once, in the order of the whole list", async (path, rowsOf) => {
    await using gateway = await startGateway();
    for (let i = 0; i < 7; i += 1) await gateway.register(`box-${i}`);
    const all = rowsOf(await gateway.api("GET", path));
    for (const limit of [1, 3, 7, 100]) {
      const pages = await readPages(gateway, `${path}?limit=${limit}`, rowsOf);
      expect(pages.flat()).toEqual(all);
      expect(pages.length).toBe(Math.ceil(7 / limit));
    }
  });

  test("goes on where it was when rows come and go meanwhile", async () => {
    await using gateway = await startGateway();
    for (let i = 0; i < 4; i += 1) await gateway.register(`box-${i}`);
    const namesOf = ({ json }: Answer): string[] => json.map(({ name }: { name: string }) => name);
    // Two of the same millisecond stand in the order of their ids.
    const whole = namesOf(await gateway.api("GET", "/api/agents"));
    const first = await gateway.api("GET", "/api/agents?limit=2");
    await gateway.api("DELETE", `/api/agents/${first.json[1].id}`);
    await gateway.register("late");
    const rest = await gateway.api("GET", nextOf(first) ?? "");
    const end = await gateway.api("GET", nextOf(rest) ?? "");
    expect(namesOf(rest).concat(namesOf(end))).toEqual([...whole.slice(2), "late"]);
    expect(nextOf(end)).toBeNull();
  });

  test("of tokens has a prefix of the gateway's path in its links", async () => {
    await using gateway = await startGateway({ publicUrl: "https://example.com/rexec/" });
    await gateway.mint(["read"]);
    const { headers } = await gateway.api("GET", "/api/tokens?limit=1");
    expect(headers.get("link")).toMatch(/^<\/rexec\/api\/tokens\?limit=1&cursor=[\w-]+>; rel="next"$/);
  });

  test.each(["limit=0", "limit=-1", "limit=x", "limit=1e9", "cursor=x", `cursor=${"A".repeat(5_000)}`])(
    "?%s is a bad request",
    async (query) => {
      await using gateway = await startGateway();
      expect((await gateway.api("GET", `/api/agents?${query}`)).status).toBe(400);
    },
  );
});

function nextOf({ headers }: Answer): string | null {
  return /<([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1] ?? null;
}

async function readPages(
  gateway: TestGateway,
  path: string,
  rowsOf: (answer: Answer) => unknown[],
): Promise<unknown[][]> {
  const pages: unknown[][] = [];
  for (let next: string | null = path; next !== null && pages.length < 20; ) {
    const answer = await gateway.api("GET", next);
    pages.push(rowsOf(answer));
    next = nextOf(answer);
  }
  return pages;
}
