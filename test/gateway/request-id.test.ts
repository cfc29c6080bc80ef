import { describe, expect, test } from "bun:test";
import { call, startGateway } from "../support/gateway.ts";
import { knock } from "../support/socket.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A gateway that hands over the line of each request. */
async function watched(trustProxy: string[] = []) {
  const requests: Record<string, unknown>[] = [];
  const requestLog = (line: string, fields: object) => void requests.push({ line, ...fields });
  const gateway = await startGateway({ trustProxy, requestLog });
  return { gateway, requests, [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() };
}

describe("X-Request-Id", () => {
  test("is in each answer, another one each time", async () => {
    await using here = await watched();
    const ids = new Set<string>();
    for (const [method, path] of [
      ["GET", "/"],
      ["GET", "/health"],
      ["GET", "/install-agent.sh"],
      ["GET", "/api/agents"],
      ["GET", "/nowhere"],
      ["POST", "/health"],
      ["GET", "/downloads/nothing"],
      ["GET", "/ws/agent/nothing"],
    ] as const) {
      const { headers, json, status } = await here.gateway.api(method, path);
      const id = headers.get("x-request-id") ?? "";
      expect(id).toMatch(UUID);
      ids.add(id);
      if (status >= 400) expect(json.request_id).toBe(id);
    }
    expect(ids.size).toBe(8);
    expect(here.requests.map(({ request_id: id }) => id)).toEqual([...ids]);
  });

  test("is in the answers to a bad Host, a body that is too large, and the upgrade of a socket", async () => {
    await using here = await watched();
    const { url } = here.gateway;
    const bad = await fetch(`${url}/health`, { headers: { Host: "a b" } }).catch(() => null);
    if (bad) expect(bad.headers.get("x-request-id")).toMatch(UUID);
    const large = await here.gateway.api("POST", "/api/tokens", { name: "x".repeat(2_000_000) });
    expect([large.status, large.json.request_id]).toEqual([413, large.headers.get("x-request-id")]);
    const agent = await here.gateway.register();
    const opened = await knock(`${url}/ws/agent/${agent.id}`, { Authorization: `Bearer ${agent.token}` });
    expect(opened.status).toBe(101);
    expect(here.requests.at(-1)).toMatchObject({ status: 101, path: `/ws/agent/${agent.id}` });
  });

  test.each([
    ["abc-123_4.5:6/7+8=9@z", true],
    ["x".repeat(128), true],
    ["x".repeat(129), false],
    ["a b", false],
    ["a,b", false],
    ["<script>", false],
    ["", false],
  ])("of a trusted proxy is taken over within its bound: %p", async (given, taken) => {
    await using here = await watched(["loopback"]);
    const { headers } = await call(here.gateway.url, "GET", "/health", undefined, null, {
      "X-Request-Id": given,
    });
    if (taken) expect(headers.get("x-request-id")).toBe(given);
    else expect(headers.get("x-request-id")).toMatch(UUID);
  });

  test("of anyone else is not", async () => {
    for (const trustProxy of [[], ["10.0.0.0/8"]]) {
      await using here = await watched(trustProxy);
      const { headers } = await call(here.gateway.url, "GET", "/health", undefined, null, {
        "X-Request-Id": "mine",
      });
      expect(headers.get("x-request-id")).toMatch(UUID);
    }
  });
});

describe("the line of a request", () => {
  test("has its method, path, status, time, sender and id, and nothing of a query or header", async () => {
    await using here = await watched(["loopback"]);
    const token = here.gateway.token;
    await call(here.gateway.url, "GET", `/api/agents?token=${token}&x=1`, undefined, token, {
      "X-Forwarded-For": "203.0.113.7",
      "X-Request-Id": "front-1",
    });
    const [request] = here.requests;
    expect(request).toMatchObject({
      method: "GET",
      path: "/api/agents",
      status: 200,
      address: "203.0.113.7",
      request_id: "front-1",
      ms: expect.any(Number),
    });
    expect(request?.line).toMatch(
      /^GET \/api\/agents 200 in [\d.]+ ms, from 203\.0\.113\.7 \(request front-1\)$/,
    );
    expect(JSON.stringify(here.requests)).not.toContain(token.slice(0, 20));
  });

  test("names a refused socket's request where the log has its reason", async () => {
    await using here = await watched();
    const { json } = await call(here.gateway.url, "GET", "/ws/agent/x", undefined, "wrong", {
      Upgrade: "websocket",
    });
    expect(here.gateway.log.join("\n")).toContain(`(request ${json.request_id})`);
  });

  test("is bounded, whatever the path is", async () => {
    await using here = await watched();
    await here.gateway.api("GET", `/${"x".repeat(8_000)}`);
    expect(String(here.requests[0]?.line).length).toBeLessThan(700);
  });
});
