/** What a registered machine tells its server, and which token it keeps: against a real gateway, as a person types it. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environment, rexec } from "../client/support/cli.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { V1Server } from "../support/v1-server.ts";
import { until, within } from "../support/wait.ts";

const MAIN = join(import.meta.dir, "../../src/rexec-agent.ts");
let home: string;
let gateway: TestGateway;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "rexec-registration-"));
  gateway = await startGateway();
});
afterEach(async () => {
  await gateway[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

function spawn(args: string[], env: Record<string, string> = {}) {
  return Bun.spawn([process.execPath, MAIN, ...args], {
    env: { PATH: process.env.PATH ?? "", HOME: home, SHELL: "/bin/sh", REXEC_CONFIG: config(), ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

async function run(args: string[], env: Record<string, string> = {}) {
  const child = spawn(args, env);
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}

const config = () => join(home, "agent.json");
const stored = () => JSON.parse(readFileSync(config(), "utf8"));
const register = (...args: string[]) =>
  run(["register", "--host", gateway.url, ...args], { REXEC_TOKEN: gateway.token });
const atServer = async () => (await gateway.api("GET", `/api/agents/${stored().agent_id}`)).json;
const scopesOf = async (token: string) =>
  (await gateway.api("GET", "/api/tokens/validate", undefined, token)).json.scopes;

describe("register on a registered machine", () => {
  test("changes name, description and tags at the server with the token that the machine has", async () => {
    await register("--name", "before");
    const again = await run(["register", "--name", " after ", "--description", "d", "--tags", "a,b"]);
    expect(again.err).not.toContain("warning");
    expect(again.code).toBe(0);
    expect(await atServer()).toMatchObject({ name: "after", description: "d", tags: ["a", "b"] });
    expect(stored()).toMatchObject({ name: "after", description: "d", tags: ["a", "b"] });
    await run(["register", "--tags", "", "--description", ""]);
    expect(await atServer()).toMatchObject({ name: "after", description: "", tags: [] });
  });

  test("with the token of another agent changes nothing of this one", async () => {
    await register("--name", "mine");
    const other = await gateway.register("other");
    const { status } = await gateway.api(
      "PATCH",
      `/api/agents/${stored().agent_id}`,
      { name: "x" },
      other.token,
    );
    expect(status).toBe(403);
  });
});

test("an agent's token lists that agent, and no other", async () => {
  const mine = await gateway.register("mine");
  await gateway.register("other");
  expect((await gateway.api("GET", "/api/agents", undefined, mine.token)).json).toMatchObject([
    { id: mine.id },
  ]);
  const { containers } = (await gateway.api("GET", "/api/containers", undefined, mine.token)).json;
  expect(containers).toMatchObject([{ id: `agent:${mine.id}` }]);
  expect(containers).toHaveLength(1);
});

describe("a name or a tag that will not do", () => {
  test.each([
    ["--name", "", "is empty"],
    ["--name", " \t", "is empty"],
    ["--name", "a\nb", "control character"],
    ["--name", "\u001b[2J", "control character"],
    ["--name", "web\u202e1", "control character"],
    ["--name", "n".repeat(129), "129 characters"],
    ["--tags", `ok,${"t".repeat(129)}`, "129 characters"],
    ["--tags", "a\u0007b", "control character"],
    ["--tags", Array.from({ length: 65 }, (_, each) => each).join(","), "65 tags"],
    ["--description", "d".repeat(1025), "1025 characters"],
  ])(
    "%s %j is a usage error, here and for an agent of a CI job; nothing is sent or written",
    async (option, value, text) => {
      const result = await register(option, value);
      expect([result.code, result.err]).toEqual([2, expect.stringContaining(text)]);
      expect(existsSync(config())).toBe(false);
      if (option !== "--description") {
        const env = { REXEC_TOKEN: gateway.token, REXEC_HOST: gateway.url };
        expect(await run(["start", "--ephemeral", option, value], env)).toMatchObject({ code: 2 });
      }
      expect((await gateway.api("GET", "/api/agents")).json).toEqual([]);
    },
  );
});

describe("a name that another machine has", () => {
  test("gets a warning at registration and when it is changed", async () => {
    await gateway.register("twin");
    const first = await register("--name", "twin");
    expect(first.code).toBe(0);
    expect(first.err).toContain('warning: another agent of this account is named "twin" too');
    expect(first.err.match(/another agent/g)).toHaveLength(1);
    expect((await run(["register", "--name", "alone"])).err).not.toContain("another agent");
    expect((await run(["register", "--name", "twin"])).err).toContain("another agent");
    expect((await run(["register", "--name", "twin"])).err).not.toContain("another agent of another");
  });

  test("gets it at a server too that says nothing of it itself", async () => {
    const list = [{ id: "other", name: "twin", status: "online" }];
    const server = new V1Server({
      intercept: (_, url) => (url.pathname === "/api/agents" ? Response.json(list) : null),
    });
    const env = { REXEC_TOKEN: server.token };
    const { err } = await run(["register", "--host", server.url, "--name", "twin"], env);
    expect(err).toContain('named "twin" too');
    await server.stop();
  });
});

test("what a server did not take of tags and name is reported", async () => {
  const server = new V1Server();
  const env = { REXEC_TOKEN: server.token };
  const first = await run(["register", "--host", server.url, "--name", "n", "--tags", "a,b"], env);
  expect(first.err).toContain("warning: the server did not take the tags a, b");
  const again = await run(["register", "--name", "m", "--tags", "c"], env);
  expect(again.err).toContain('warning: the server calls this agent "x"');
  expect(again.err).toContain("did not take the tags c");
  await server.stop();
});

test("a limit of the account has a hint of its own", async () => {
  const answer = { error: "agent limit reached", code: "agent_limit_reached" };
  const server = new V1Server({
    intercept: (_, url) =>
      url.pathname === "/api/agents/register" ? Response.json(answer, { status: 403 }) : null,
  });
  const { err, code } = await run(["register", "--host", server.url], { REXEC_TOKEN: server.token });
  expect(code).toBe(4);
  expect(err).toMatch(/hint: this account may have no more agents/);
  await server.stop();
});

describe("a token that may do more than connect the agent", () => {
  test.each([["*"], ["user"]])(
    "is exchanged for one that may not, and the former one revoked: %s",
    async (scope) => {
      await register("--name", "box");
      const former = stored().token;
      const { token: given } = await gateway.mint([scope]);
      const { err, code } = await run(["refresh-token"], { REXEC_TOKEN: given });
      expect(code).toBe(0);
      expect(err).toContain("the server made one for the agent alone");
      const { token } = stored();
      expect([given, former]).not.toContain(token);
      expect(readFileSync(config(), "utf8")).not.toContain(given);
      expect(await scopesOf(token)).toEqual(["agent"]);
      expect(await scopesOf(given)).toEqual([scope]);
      // A token of the scope `user` may not revoke any.
      expect((await gateway.api("GET", "/api/tokens/validate", undefined, former)).status).toBe(
        scope === "*" ? 401 : 200,
      );
      if (scope === "user") expect(err).toContain("was not revoked");
    },
  );

  test("a person's own token that was in the file is not revoked with it", async () => {
    await register();
    const { token: theirs } = await gateway.mint(["*"]);
    writeFileSync(config(), JSON.stringify({ ...stored(), token: theirs }));
    const { err } = await run(["refresh-token"], { REXEC_TOKEN: gateway.token });
    expect(err).toContain("was not revoked: it is not this agent's alone");
    expect(await scopesOf(theirs)).toEqual(["*"]);
    expect(await scopesOf(stored().token)).toEqual(["agent"]);
  });

  test("is not kept by register either, where the machine's own is worth nothing any more", async () => {
    await register();
    const { tokens } = (await gateway.api("GET", "/api/tokens")).json;
    for (const { id, scopes } of tokens)
      if (scopes[0] === "agent") await gateway.api("DELETE", `/api/tokens/${id}`);
    expect((await register("--shell", "/bin/bash")).code).toBe(0);
    expect(await scopesOf(stored().token)).toEqual(["agent"]);
  });

  test("is kept with a warning where the server makes no other, or one that may do as much", async () => {
    const made = `rexec_${"ef".repeat(32)}`;
    for (const answer of [
      () => Response.json({ error: "no" }, { status: 403 }),
      () => Response.json({ token: made, id: "t9", scopes: ["*"] }, { status: 201 }),
    ]) {
      const server = new V1Server({
        intercept: (request, url) => {
          if (url.pathname === "/api/tokens/validate")
            return Response.json({ valid: true, user_id: "u", scopes: ["*"] });
          if (url.pathname === "/api/profile") return Response.json({ id: "u" });
          return url.pathname === "/api/tokens" && request.method === "POST" ? answer() : null;
        },
      });
      const file = { api_url: server.url, agent_id: server.agentId, token: server.agentToken };
      writeFileSync(config(), JSON.stringify(file), { mode: 0o600 });
      const { err, code } = await run(["refresh-token"], { REXEC_TOKEN: server.token });
      expect(code).toBe(0);
      expect(err).toMatch(/warning: this token may do more than connect the agent \(scopes: \*\)/);
      expect(stored().token).toBe(server.token);
      await server.stop();
    }
  });
});

test("the original agent's file is all that `start` needs, and REXEC_REGION or region is told to the server", async () => {
  const { id, token } = await gateway.register("theirs");
  const original = { id, name: "theirs", host: gateway.url, token, shell: "/bin/sh", region: "moon" };
  writeFileSync(config(), JSON.stringify(original), { mode: 0o600 });
  for (const [env, region] of [
    [{}, "moon"],
    [{ REXEC_REGION: "mars" }, "mars"],
  ] as const) {
    const child = spawn(["start"], { ...env, XDG_RUNTIME_DIR: home });
    const info = () => gateway.gateway.hub.presence(id)?.systemInfo;
    await until(() => info()?.region === region, 10_000, `the region ${region}`);
    child.kill("SIGTERM");
    expect(await within(child.exited, 10_000, "its end")).toBe(0);
    await until(() => !gateway.gateway.hub.presence(id), 5_000, "it to be offline");
  }
}, 30_000);

test("login with a JWT asks for the profile where the server validates API tokens alone", async () => {
  const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln";
  const asked: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname } = new URL(request.url);
      asked.push(pathname);
      if (pathname !== "/api/profile")
        return Response.json({ error: "invalid token format" }, { status: 401 });
      const isRight = request.headers.get("authorization") === `Bearer ${jwt}`;
      return isRight
        ? Response.json({ user: { id: "u", username: "ada" } })
        : Response.json({ error: "no" }, { status: 401 });
    },
  });
  const env = environment({ HOME: home });
  const login = (token: string) => rexec(["login", "--host", server.url.origin], env, token);
  expect(await login(jwt)).toMatchObject({ code: 0, stderr: expect.stringContaining("as ada") });
  expect(asked).toEqual(["/api/tokens/validate", "/api/profile"]);
  expect(await login(`${jwt}x`)).toMatchObject({ code: 4 });
  expect(await login(`rexec_${"0".repeat(64)}`)).toMatchObject({ code: 4 });
  expect(asked.filter((path) => path === "/api/profile")).toHaveLength(2);
  await server.stop(true);
});
