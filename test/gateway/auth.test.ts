import { describe, expect, test } from "bun:test";
import { RateLimit } from "../../src/gateway/auth/rate-limit.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { knock, TestSocket } from "../support/socket.ts";
import { V1Agent } from "../support/v1-agent.ts";

const WRONG = `rexec_${"0".repeat(64)}`;

describe("scopes", () => {
  /** What each kind of token gets on each route; 200 stands for any success, and reaching a socket counts as 101. */
  const MATRIX: [method: string, path: string, expected: Record<Kind, number>][] = [
    [
      "GET",
      "/api/tokens/validate",
      { none: 401, wrong: 401, full: 200, user: 200, read: 200, own: 200, other: 200, stranger: 200 },
    ],
    [
      "GET",
      "/api/profile",
      { none: 401, wrong: 401, full: 200, user: 200, read: 200, own: 403, other: 403, stranger: 200 },
    ],
    [
      "GET",
      "/api/tokens",
      { none: 401, wrong: 401, full: 200, user: 403, read: 403, own: 403, other: 403, stranger: 200 },
    ],
    [
      "POST",
      "/api/tokens",
      { none: 401, wrong: 401, full: 201, user: 403, read: 403, own: 403, other: 403, stranger: 201 },
    ],
    [
      "DELETE",
      "/api/tokens/TOKEN",
      { none: 401, wrong: 401, full: 200, user: 403, read: 403, own: 403, other: 403, stranger: 403 },
    ],
    [
      "POST",
      "/api/agents/register",
      { none: 401, wrong: 401, full: 201, user: 201, read: 403, own: 403, other: 403, stranger: 201 },
    ],
    [
      "GET",
      "/api/agents",
      { none: 401, wrong: 401, full: 200, user: 200, read: 200, own: 200, other: 200, stranger: 200 },
    ],
    [
      "GET",
      "/api/containers",
      { none: 401, wrong: 401, full: 200, user: 200, read: 200, own: 200, other: 200, stranger: 200 },
    ],
    [
      "GET",
      "/api/agents/ID",
      { none: 401, wrong: 401, full: 200, user: 200, read: 200, own: 200, other: 403, stranger: 403 },
    ],
    [
      "GET",
      "/api/agents/ID/status",
      { none: 401, wrong: 401, full: 200, user: 200, read: 200, own: 200, other: 403, stranger: 403 },
    ],
    [
      "PATCH",
      "/api/agents/ID",
      { none: 401, wrong: 401, full: 200, user: 200, read: 403, own: 200, other: 403, stranger: 403 },
    ],
    [
      "DELETE",
      "/api/agents/ID",
      { none: 401, wrong: 401, full: 200, user: 200, read: 403, own: 200, other: 403, stranger: 403 },
    ],
    [
      "WS",
      "/ws/agent/ID",
      { none: 401, wrong: 401, full: 101, user: 101, read: 403, own: 101, other: 403, stranger: 403 },
    ],
    [
      "WS",
      "/ws/agent/ID/terminal",
      { none: 401, wrong: 401, full: 101, user: 101, read: 403, own: 403, other: 403, stranger: 403 },
    ],
  ];
  type Kind = "none" | "wrong" | "full" | "user" | "read" | "own" | "other" | "stranger";

  test("every route asks every kind of token, and answers as documented", async () => {
    await using gateway = await startGateway({ failedLogins: { burst: 100, refillMs: 1, maxAddresses: 10 } });
    const other = await gateway.register("other");
    const tokens: Record<Exclude<Kind, "own">, string | null> = {
      none: null,
      wrong: WRONG,
      full: gateway.token,
      user: (await gateway.mint(["user"])).token,
      read: (await gateway.mint(["read"])).token,
      other: other.token,
      stranger: (await gateway.stranger()).token,
    };
    const got: unknown[] = [];
    const wanted: unknown[] = [];
    for (const [method, path, expected] of MATRIX) {
      for (const kind of Object.keys(expected) as Kind[]) {
        const agent = await gateway.register("target");
        const victim = await gateway.mint(["read"]);
        const token = kind === "own" ? agent.token : tokens[kind];
        const address = path.replace("ID", agent.id).replace("TOKEN", victim.id);
        // A terminal needs an agent at the other end.
        await using _agent = path.endsWith("/terminal") ? await V1Agent.connect(gateway, agent) : null;
        const status =
          method === "WS"
            ? await knockAs(gateway, address, token)
            : await ask(gateway, method, address, token);
        got.push([method, path, kind, status]);
        wanted.push([method, path, kind, expected[kind]]);
      }
    }
    expect(got).toEqual(wanted);
  });

  async function ask(gateway: TestGateway, method: string, path: string, token: string | null) {
    const body = { POST: { name: "made" }, PATCH: { name: "renamed" } }[method];
    return (await gateway.api(method, path, body, token)).status;
  }

  async function knockAs(gateway: TestGateway, path: string, token: string | null) {
    const headers: Record<string, string> = token === null ? {} : { Authorization: `Bearer ${token}` };
    const { status } = await knock(`${gateway.url}${path}`, headers);
    return status;
  }
});

describe("a socket's token", () => {
  test("counts in the header, then in the subprotocol, then in the query", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.register();
    const url = `${gateway.url}/ws/agent/${id}`;
    const header = (value: string) => ({ headers: { Authorization: `Bearer ${value}` } });
    await using _byHeader = await new TestSocket(`${url}?token=${WRONG}`, {
      ...header(token),
      protocols: [`rexec.token.${WRONG}`],
    }).open();
    await using _bySubprotocol = await new TestSocket(`${url}?token=${WRONG}`, {
      protocols: [`rexec.token.${token}`],
    }).open();
    await using _byQuery = await new TestSocket(`${url}?token=${token}`).open();
    expect((await knock(`${url}?token=${token}`, { Authorization: `Bearer ${WRONG}` })).status).toBe(401);
    const wrongFirst = { "Sec-WebSocket-Protocol": `rexec.token.${WRONG}` };
    expect((await knock(`${url}?token=${token}`, wrongFirst)).status).toBe(401);
  });

  test("is echoed only where a browser would fail otherwise", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.register();
    const chosen = async (...protocols: string[]) => {
      const { headers, status } = await knock(`${gateway.url}/ws/agent/${id}`, {
        Authorization: `Bearer ${token}`,
        ...(protocols.length > 0 ? { "Sec-WebSocket-Protocol": protocols.join(", ") } : {}),
      });
      return [status, headers.get("sec-websocket-protocol")];
    };
    expect(await chosen()).toEqual([101, null]);
    expect(await chosen("rexec.v1")).toEqual([101, "rexec.v1"]);
    expect(await chosen("rexec.v9", "rexec.v1")).toEqual([101, "rexec.v1"]);
    expect(await chosen(`rexec.token.${token}`, "rexec.v1")).toEqual([101, "rexec.v1"]);
    expect(await chosen(`rexec.token.${token}`)).toEqual([101, `rexec.token.${token}`]);
    expect(await chosen("rexec.v9")).toEqual([101, null]);
  });

  test("never reaches the log", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.register();
    await using agent = await new TestSocket(`${gateway.url}/ws/agent/${id}?token=${token}`).open();
    await agent.settle();
    await gateway.api("GET", `/api/agents?token=${token}`);
    expect(gateway.log.join("\n")).toContain("connected from 127.0.0.1");
    expect(gateway.log.join("\n")).not.toContain(token.slice(0, 20));
  });

  test("refused for an unknown agent with 404, and without WebSocket with 426", async () => {
    await using gateway = await startGateway();
    const { id } = await gateway.register();
    const headers = { Authorization: `Bearer ${gateway.token}` };
    const unknown = await knock(`${gateway.url}/ws/agent/${crypto.randomUUID()}`, headers);
    expect([unknown.status, unknown.json?.code]).toEqual([404, "agent_not_found"]);
    const offline = await knock(`${gateway.url}/ws/agent/${id}/terminal`, headers);
    expect([offline.status, offline.json?.code]).toEqual([404, "agent_offline"]);
    expect((await gateway.api("GET", `/ws/agent/${id}`)).status).toBe(426);
  });
});

describe("the origin of a browser's socket", () => {
  test("must be the gateway's own or a named one, unless the token came by header", async () => {
    await using gateway = await startGateway({ allowOrigins: ["https://app.example.com"] });
    const agent = await gateway.register();
    await using _agent = await V1Agent.connect(gateway, agent);
    const url = `${gateway.url}/ws/agent/${agent.id}/terminal`;
    const from = async (origin: string | null, how: "query" | "header") => {
      const headers = {
        ...(origin === null ? {} : { Origin: origin }),
        ...(how === "header" ? { Authorization: `Bearer ${gateway.token}` } : {}),
      };
      return (await knock(how === "query" ? `${url}?token=${gateway.token}` : url, headers)).status;
    };
    expect(await from(null, "query")).toBe(101);
    expect(await from(gateway.url, "query")).toBe(101);
    expect(await from("https://app.example.com", "query")).toBe(101);
    expect(await from("https://evil.example.com", "query")).toBe(403);
    expect(await from("null", "query")).toBe(403);
    expect(await from("https://evil.example.com", "header")).toBe(101);
  });
});

describe("wrong tokens", () => {
  test("get 429 with a time to wait after some, on HTTP and both sockets, while a right one is let in", async () => {
    await using gateway = await startGateway({
      failedLogins: { burst: 3, refillMs: 60_000, maxAddresses: 10 },
    });
    const { id, token } = await gateway.register();
    const tries = [];
    for (let i = 0; i < 4; i += 1)
      tries.push((await gateway.api("GET", "/api/agents", undefined, WRONG)).status);
    expect(tries).toEqual([401, 401, 401, 429]);
    const limited = await gateway.api("GET", "/api/agents", undefined, WRONG);
    expect(Number(limited.headers.get("retry-after"))).toBeWithin(1, 61);
    const headers = { Authorization: `Bearer ${WRONG}` };
    expect((await knock(`${gateway.url}/ws/agent/${id}`, headers)).status).toBe(429);
    expect((await knock(`${gateway.url}/ws/agent/${id}/terminal`, headers)).status).toBe(429);
    expect((await gateway.api("GET", `/api/agents/${id}`, undefined, token)).status).toBe(200);
  });

  test("refill with time, one network of IPv6 counts as one, and few addresses are remembered", () => {
    let now = 0;
    const limit = new RateLimit({ burst: 2, refillMs: 1_000, maxAddresses: 3 }, () => now);
    expect([limit.failed("a"), limit.failed("a"), limit.failed("a")]).toEqual([0, 0, 1]);
    now = 1_000;
    expect([limit.failed("a"), limit.failed("a")]).toEqual([0, 1]);
    expect([
      limit.failed("2001:db8::1"),
      limit.failed("2001:db8::2"),
      limit.failed("2001:db8:0:0:9::3"),
    ]).toEqual([0, 0, 1]);
    for (let i = 0; i < 100; i += 1) limit.failed(`10.0.0.${i}`);
    expect(limit.size).toBe(3);
  });

  test("expired tokens are wrong ones", async () => {
    await using gateway = await startGateway();
    const { makeToken } = await import("../../src/gateway/auth/token.ts");
    const admin = await gateway.gateway.store.users.firstAdmin();
    const made = makeToken();
    const expiresAt = new Date(Date.now() - 1).toISOString();
    await gateway.gateway.store.tokens.create(made, {
      userId: admin?.id ?? "",
      name: "old",
      scopes: ["*"],
      expiresAt,
    });
    const { status, json } = await gateway.api("GET", "/api/profile", undefined, made.token);
    expect([status, json.code]).toEqual([401, "token_expired"]);
  });
});
