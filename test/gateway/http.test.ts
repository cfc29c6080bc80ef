import { describe, expect, test } from "bun:test";
import * as z from "zod/mini";
import { requestInfo } from "../../src/gateway/http/request-info.ts";
import { TrustedProxies } from "../../src/gateway/http/trusted-proxies.ts";
import { agentListBody, profileBody, registeredBody, tokenInfo } from "../../src/protocol/http.ts";
import { HTTP_BODY_BYTES } from "../../src/protocol/limits.ts";
import { call, startGateway } from "../support/gateway.ts";

const NO_AGENT = "/api/agents/00000000-0000-4000-8000-000000000000";

describe("what needs no token", () => {
  test("health, version and the page answer, with headers that let a browser do nothing else", async () => {
    await using gateway = await startGateway();
    const health = await gateway.api("GET", "/health", undefined, null);
    expect(health.json).toMatchObject({ status: "ok" });
    expect((await gateway.api("GET", "/api/version", undefined, null)).json.version).toMatch(/^v\d/);
    const page = await gateway.api("GET", "/", undefined, null);
    expect(page.headers.get("content-type")).toContain("text/html");
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(page.text).toContain(`${gateway.url}/install-agent.sh`);
    for (const { headers } of [health, page]) {
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("x-frame-options")).toBe("DENY");
    }
  });

  test("the installer knows the gateway that handed it out, and is still the script that it was", async () => {
    await using gateway = await startGateway();
    const { text, headers } = await gateway.api("GET", "/install-agent.sh", undefined, null);
    expect(headers.get("content-type")).toContain("text/x-shellscript");
    expect(text).toContain(`\nREXEC_API_DEFAULT='${gateway.url}'\n`);
    const original = await Bun.file(`${import.meta.dir}/../../install-agent.sh`).text();
    const masked = (script: string) => script.replace(/^REXEC_API_DEFAULT=.*$/m, "");
    expect(masked(text)).toBe(masked(original));
    const shell = Bun.spawn(["sh", "-s", "--", "--help"], { stdin: Buffer.from(text), stdout: "pipe" });
    expect(await shell.stdout.text()).toContain(gateway.url);
  });

  test("a public URL is what everything shows, and quotes in it stay quoted", async () => {
    await using gateway = await startGateway({ publicUrl: "https://rexec.example.com/it's/" });
    const { text } = await gateway.api("GET", "/install-agent.sh", undefined, null);
    expect(text).toContain(`REXEC_API_DEFAULT='https://rexec.example.com/it'\\''s'\n`);
  });

  test("a Host header that is none goes into no script, and X-Forwarded-… counts only behind a proxy", async () => {
    const forwarded = { "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https" };
    await using plain = await startGateway();
    const untrusted = await call(plain.url, "GET", "/install-agent.sh", undefined, null, forwarded);
    expect(untrusted.text).toContain(`REXEC_API_DEFAULT='${plain.url}'`);
    const odd = await call(plain.url, "GET", "/install-agent.sh", undefined, null, { Host: "$(id)" });
    expect(odd.text).toContain(`REXEC_API_DEFAULT='${plain.url}'`);
    await using proxied = await startGateway({ trustProxy: ["loopback"] });
    const trusted = await call(proxied.url, "GET", "/install-agent.sh", undefined, null, forwarded);
    expect(trusted.text).toContain("REXEC_API_DEFAULT='https://evil.example'");
    for (const host of ["evil.example:99999", "[::1", "1.2.3.4.5:0x", "a b", "256.256.256.256"]) {
      const none = { ...forwarded, "X-Forwarded-Host": host };
      const { text } = await call(proxied.url, "GET", "/install-agent.sh", undefined, null, none);
      expect(text).toContain(`REXEC_API_DEFAULT='${proxied.url}'`);
    }
  });
});

test("the sender's address is the proxy's word only where a proxy is trusted, and only if it is one", () => {
  const address = (forwarded: string, isTrusted: boolean) =>
    requestInfo(new Request("http://g", { headers: { "X-Forwarded-For": forwarded } }), "::ffff:10.0.0.9", {
      publicUrl: undefined,
      trusted: new TrustedProxies(isTrusted ? ["10.0.0.0/8"] : []),
      listening: "http://127.0.0.1:1",
    }).address;
  expect(address("1.2.3.4", false)).toBe("10.0.0.9");
  expect(address("6.6.6.6, 1.2.3.4", true)).toBe("1.2.3.4");
  expect(address("6.6.6.6, 2001:db8::1", true)).toBe("2001:db8::1");
  expect(address("evil\tentry", true)).toBe("10.0.0.9");
  // A chain of trusted proxies: the first address that is none of theirs, counted from here.
  expect(address("6.6.6.6, 1.2.3.4, 10.1.1.1", true)).toBe("1.2.3.4");
  expect(address("10.2.2.2, 10.1.1.1", true)).toBe("10.2.2.2");
});

describe("agents", () => {
  test("registration answers an id and a token of the agent's own, and the agent is listed", async () => {
    await using gateway = await startGateway();
    const body = {
      name: " box ",
      description: "a box",
      type: "agent",
      os: "linux",
      arch: "amd64",
      shell: "/bin/zsh",
      tags: ["a", "b"],
      unknown: 1,
    };
    const registered = await gateway.api("POST", "/api/agents/register", body);
    expect(registered.status).toBe(201);
    const { id, token } = registeredBody.parse(registered.json);
    expect(token).toMatch(/^rexec_[0-9a-f]{64}$/);
    expect(registered.json.token_info).toMatchObject({ scopes: ["agent"] });
    const list = await gateway.api("GET", "/api/agents");
    expect(list.json).toBeArray();
    const expected = {
      id,
      name: "box",
      description: "a box",
      os: "linux",
      arch: "amd64",
      shell: "/bin/zsh",
      tags: ["a", "b"],
      status: "registered",
      connected_at: null,
    };
    expect(agentListBody.parse(list.json)).toMatchObject([expected]);
    expect((await gateway.api("GET", `/api/agents/${id}`)).json).toMatchObject(expected);
    expect((await gateway.api("GET", `/api/agents/${id}/status`)).json).toEqual({ status: "offline" });
    const containers = await gateway.api("GET", "/api/containers");
    expect(containers.json.containers).toMatchObject([
      { id: `agent:${id}`, name: "box", image: "linux/amd64", status: "offline", session_type: "agent" },
    ]);
  });

  test("an agent can be renamed and deleted, and its token goes with it", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.register();
    const patched = await gateway.api("PATCH", `/api/agents/${id}`, { name: "new", tags: ["x"] });
    expect(patched.json).toMatchObject({ id, name: "new", description: "" });
    expect((await gateway.api("GET", `/api/agents/${id}`)).json).toMatchObject({ name: "new", tags: ["x"] });
    expect((await gateway.api("DELETE", `/api/agents/${id}`)).json).toEqual({ message: "agent deleted" });
    expect((await gateway.api("GET", `/api/agents/${id}`)).status).toBe(404);
    expect((await gateway.api("GET", "/api/agents")).json).toEqual([]);
    const refused = await gateway.api("GET", "/api/tokens/validate", undefined, token);
    expect([refused.status, refused.json.code]).toEqual([401, "token_revoked"]);
  });

  test.each([
    ["no JSON", "{"],
    ["no object", "[]"],
    ["no name", "{}"],
    ["an empty name", '{"name":"  "}'],
    ["a name of the wrong type", '{"name":1}'],
    ["tags of the wrong type", '{"name":"a","tags":"b"}'],
  ])("a registration with %s is a 400 that says why", async (_what, body) => {
    await using gateway = await startGateway();
    const { status, json } = await gateway.api("POST", "/api/agents/register", body);
    expect(status).toBe(400);
    expect(json.error).toBeString();
    expect((await gateway.api("GET", "/api/agents")).json).toEqual([]);
  });
});

describe("tokens and the profile", () => {
  test("the profile and the token say who one is", async () => {
    await using gateway = await startGateway();
    const profile = await gateway.api("GET", "/api/profile");
    expect(profileBody.parse(profile.json)).toMatchObject({ username: "admin", is_admin: true });
    expect((await gateway.api("GET", "/api/tokens/validate")).json).toMatchObject({
      valid: true,
      username: "admin",
      scopes: ["*"],
    });
  });

  test("a token is shown once, listed without its secret, used, and revoked", async () => {
    await using gateway = await startGateway();
    const made = await gateway.api("POST", "/api/tokens", { name: "ci", scopes: ["read"], expires_in: 7 });
    expect(made.status).toBe(201);
    const { token, id } = made.json;
    expect(made.json.token_prefix).toBe(token.slice(0, 12));
    const days = (Date.parse(made.json.expires_at) - Date.now()) / 86_400_000;
    expect(days).toBeWithin(6.9, 7.1);
    expect((await gateway.api("GET", "/api/agents", undefined, token)).status).toBe(200);
    const list = await gateway.api("GET", "/api/tokens");
    expect(list.text).not.toContain(token);
    const listed = z.array(tokenInfo).parse(list.json.tokens);
    expect(listed.find((each) => each.id === id)?.last_used_at).toBeString();
    expect((await gateway.api("DELETE", `/api/tokens/${id}`)).json).toEqual({ message: "token revoked" });
    const refused = await gateway.api("GET", "/api/agents", undefined, token);
    expect([refused.status, refused.json.code]).toEqual([401, "token_revoked"]);
    const after = z.array(tokenInfo).parse((await gateway.api("GET", "/api/tokens")).json.tokens);
    expect(after.find((each) => each.id === id)?.revoked_at).toBeString();
  });

  test("unknown scopes, more than one has, and agent tokens for no agent are refused", async () => {
    await using gateway = await startGateway();
    const post = (body: object) => gateway.api("POST", "/api/tokens", body);
    expect((await post({ name: "a", scopes: ["root"] })).status).toBe(400);
    expect((await post({ name: "a", scopes: [] })).status).toBe(400);
    expect((await post({ name: "a", scopes: ["agent"] })).status).toBe(400);
    expect((await post({ name: "a", expires_in: 0 })).status).toBe(400);
    const { id } = await gateway.register();
    expect((await post({ name: "a", scopes: ["agent", "*"], agent_id: id })).status).toBe(400);
    expect((await post({ name: "a", scopes: ["read"], agent_id: id })).status).toBe(400);
    const renewed = await post({ name: "a", scopes: ["agent"], agent_id: id });
    expect((await gateway.api("GET", `/api/agents/${id}`, undefined, renewed.json.token)).status).toBe(200);
  });
});

describe("requests that make no sense", () => {
  test("an unknown address is a 404 and a wrong method a 405 that names the right ones, both in JSON", async () => {
    await using gateway = await startGateway();
    for (const path of ["/api/nothing", "/nothing", "/api", "/ws/nothing", `${NO_AGENT}/nothing`]) {
      const { status, json } = await gateway.api("GET", path);
      expect([path, status, typeof json?.error]).toEqual([path, 404, "string"]);
    }
    for (const [method, path, allow] of [
      ["PUT", "/api/agents", "GET"],
      ["POST", "/health", "GET"],
      ["POST", NO_AGENT, "PATCH"],
      ["POST", "/", "GET"],
      ["POST", "/ws/agent/x", "GET"],
      ["DELETE", "/downloads/rexec-agent-linux-amd64", "GET"],
    ] as const) {
      const { status, headers, json } = await gateway.api(method, path, method === "POST" ? {} : undefined);
      expect([path, status, typeof json?.error]).toEqual([path, 405, "string"]);
      expect(headers.get("allow")).toContain(allow);
    }
  });

  test("an id that is none is a 404, not a question to the database", async () => {
    await using gateway = await startGateway();
    for (const id of ["x", "%00", "..%2f..", "' OR 1=1 --", "0".repeat(4000)]) {
      expect((await gateway.api("GET", `/api/agents/${encodeURIComponent(id)}`)).status).toBe(404);
      expect((await gateway.api("DELETE", `/api/tokens/${encodeURIComponent(id)}`)).status).toBe(404);
    }
  });

  test("a body that is too large is a 413, with and without its length told", async () => {
    await using gateway = await startGateway();
    const large = JSON.stringify({ name: "x".repeat(HTTP_BODY_BYTES) });
    expect((await gateway.api("POST", "/api/agents/register", large)).status).toBe(413);
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 40; i += 1) controller.enqueue(Buffer.alloc(32 * 1024, "x"));
        controller.close();
      },
    });
    const streamed = await fetch(`${gateway.url}/api/agents/register`, {
      method: "POST",
      body: stream,
      headers: { authorization: `Bearer ${gateway.token}` },
    });
    expect([streamed.status, typeof JSON.parse(await streamed.text()).error]).toEqual([413, "string"]);
  });
});
