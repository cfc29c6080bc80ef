/** `rexec admin tokens`: on the data folder, beside a gateway that runs. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../../support/binaries.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { V1Agent } from "../../support/v1-agent.ts";
import { V1Viewer } from "../../support/v1-viewer.ts";
import { within } from "../../support/wait.ts";

let gateway: TestGateway;
let home: string;
beforeEach(async () => {
  gateway = await startGateway();
  home = mkdtempSync(join(tmpdir(), "rexec-admin-"));
});
afterEach(async () => {
  await gateway[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

async function tokens(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([binary("rexec"), "admin", "tokens", ...args, "--data", gateway.dataDir], {
    env: { PATH: process.env.PATH ?? "", HOME: home },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const [out, err, code] = await within(all, 20_000, `rexec admin tokens ${args.join(" ")}`);
  return { code, out, err };
}

test("lists the tokens of all users, and never a secret or its hash", async () => {
  const minted = await gateway.mint(["read"]);
  await gateway.register("box");
  const stranger = await gateway.stranger();
  const { out, code } = await tokens("ls");
  expect(code).toBe(0);
  expect(out).toContain("minted");
  expect(out).toContain("stranger-");
  expect(out).not.toContain("agent: box");
  expect((await tokens("ls", "--agents")).out).toContain("agent: box");
  const json = await tokens("ls", "--json");
  expect(JSON.parse(json.out).length).toBe(3);
  for (const text of [out, json.out]) {
    for (const secret of [minted.token, stranger.token, gateway.token, "token_hash"])
      expect(text).not.toContain(secret);
  }
});

test("revokes a token of any user, whose open sockets end within seconds", async () => {
  const agent = await gateway.register("box");
  await using _agent = await V1Agent.connect(gateway, agent);
  const minted = await gateway.mint(["user"], { name: "leaked" });
  await using viewer = await V1Viewer.connect(gateway, agent.id, "one", "", minted.token);
  await using other = await V1Viewer.connect(gateway, agent.id, "two");
  const start = performance.now();
  expect(await tokens("revoke", minted.token.slice(0, 12))).toMatchObject({
    code: 0,
    err: "revoked leaked of admin\n",
  });
  expect(await within(viewer.closed, 5_000, "the socket to be closed")).toMatchObject({ code: 4004 });
  expect(performance.now() - start).toBeLessThan(5_000);
  expect((await gateway.api("GET", "/api/agents", undefined, minted.token)).status).toBe(401);
  expect(other.ws.readyState).toBe(WebSocket.OPEN);
  expect((await tokens("ls")).out).not.toContain("leaked");
  expect((await tokens("ls", "--all")).out).toContain("revoked");
  expect(await tokens("revoke", "leaked")).toMatchObject({ code: 4 });
});

test("makes a token for an administrator or another user, that works at once and may expire", async () => {
  const made = (await tokens("create")).out.trim();
  expect((await gateway.api("GET", "/api/users", undefined, made)).status).toBe(200);
  const { userId } = await gateway.stranger();
  const theirs = (
    await tokens("create", "--user", userId, "--expires", "1h", "--name", "for a while")
  ).out.trim();
  const { json } = await gateway.api("GET", "/api/tokens/validate", undefined, theirs);
  expect(json).toMatchObject({ user_id: userId, scopes: ["*"] });
  expect((await tokens("ls")).out).toContain("for a while");
  expect(await tokens("create", "--user", "no-one")).toMatchObject({ code: 4, out: "" });
  expect((await tokens("create", "--expires", "soon")).code).toBe(2);
});
