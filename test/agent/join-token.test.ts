/** What an agent does with a join token, as a server sees it: it registers, and is never used or kept. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/agent/config/config.ts";
import { INITIAL, transition, type UplinkContext } from "../../src/agent/uplink/state.ts";
import { redact } from "../../src/lib/redact.ts";
import { tokenPrefix } from "../../src/protocol/token.ts";
import { Account } from "../support/account.ts";
import { V1Server } from "../support/v1-server.ts";
import { until, within } from "../support/wait.ts";

const MAIN = join(import.meta.dir, "../../src/rexec-agent.ts");
const JOIN = `rexec_join_${"5e".repeat(32)}`;

let home: string;
let server: V1Server;
let pending = false;
let withToken = true;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "rexec-join-"));
  pending = false;
  withToken = true;
  server = new V1Server({ intercept });
});
afterEach(async () => {
  await server.stop();
  rmSync(home, { recursive: true, force: true });
});

/** What our gateway does with a join token, and with a machine that waits. */
function intercept(request: Request, url: URL): Response | null {
  if (url.pathname.startsWith("/ws/agent/") && pending) {
    return Response.json({ error: "not accepted yet", code: "agent_pending" }, { status: 423 });
  }
  if (request.headers.get("authorization") !== `Bearer ${JOIN}`) return null;
  if (url.pathname !== "/api/agents/register") {
    return Response.json({ error: "a join token registers", code: "join_token" }, { status: 403 });
  }
  const token = withToken ? { token: server.agentToken } : {};
  return Response.json(
    { id: server.agentId, name: "box", tags: ["prod"], pending, ...token },
    { status: 201 },
  );
}

const config = () => join(home, "agent.json");

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
  const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const [out, err, code] = await within(all, 20_000, `${args.join(" ")} to end`);
  return { out, err, code };
}

const register = (...args: string[]) =>
  run(["register", "--host", server.url, ...args], { REXEC_TOKEN: JOIN });
const sentWith = (token: string) =>
  server.requests
    .filter(({ headers }) => headers.get("authorization") === `Bearer ${token}`)
    .map(({ method, path }) => `${method} ${path}`);

/** Every file below the home folder, in one text. */
function written(folder = home): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n");
}

describe("register", () => {
  test.each([
    ["in the environment", [], { REXEC_TOKEN: JOIN }],
    ["as an option", ["--token", JOIN], {}],
    ["with a line end", [], { REXEC_TOKEN: `${JOIN}\n` }],
    ["as an option before an API token", ["--token", JOIN], { REXEC_TOKEN: `rexec_${"ab".repeat(32)}` }],
  ])("with one given %s sends it once, and keeps the agent's own", async (_, words, env) => {
    const { err, code } = await run(["register", "--host", server.url, "--name", "box", ...words], env);
    expect(err).not.toContain("warning");
    expect(code).toBe(0);
    expect(sentWith(JOIN)).toEqual(["POST /api/agents/register"]);
    expect(JSON.parse(readFileSync(config(), "utf8")).token).toBe(server.agentToken);
    expect(written()).not.toContain(JOIN.slice(20));
    expect(err).not.toContain(JOIN.slice(20));
  });

  test("with one that gets no token for the agent writes nothing", async () => {
    withToken = false;
    const { err, code } = await register();
    expect(code).toBe(1);
    expect(err).toContain("registered this machine and gave it no token");
    expect(existsSync(config())).toBe(false);
  });

  test.each([
    [401, "join_expired", "this join token expired at 2026-01-01T00:00:00.000Z", /hint: .*rexec join create/],
    [401, "join_used_up", "this join token has registered its 1 machine", /hint: .*rexec join create/],
    [403, "join_name", 'this join token is for names like "web-*"', /hint: .*--name/],
    [403, "join_tags", "this join token gives the tags prod", /hint: .*--tags/],
  ])("says why one does not do: %d %s", async (status, code, error, hint) => {
    const refusing = new V1Server({ intercept: () => Response.json({ error, code }, { status }) });
    const { err, code: exit } = await run(["register", "--host", refusing.url], { REXEC_TOKEN: JOIN });
    expect(err).toContain(error);
    expect(err).toMatch(hint);
    expect(exit).toBe(4);
    await refusing.stop();
  });

  test("of a machine that waits says what lets it in", async () => {
    pending = true;
    const { err } = await register("--name", "my box");
    expect(err).toContain("it connects once it is accepted: rexec accept box");
  });
});

describe("on a registered machine it", () => {
  beforeEach(async () => {
    await register();
    server.requests.length = 0;
  });

  test("connects nothing: start goes by the agent's own token", async () => {
    const child = spawn(["start"], { REXEC_TOKEN: JOIN, REXEC_LOG: "debug" });
    await server.connected();
    child.kill("SIGTERM");
    const err = await child.stderr.text();
    expect(await child.exited).toBe(0);
    expect(sentWith(JOIN)).toEqual([]);
    expect(sentWith(server.agentToken)).toEqual([`GET /ws/agent/${server.agentId}`]);
    expect(err).not.toContain(JOIN.slice(20));
  });

  test("unregisters nothing: the agent's own token does", async () => {
    await run(["unregister", "--yes"], { REXEC_TOKEN: JOIN });
    expect(sentWith(JOIN)).toEqual([]);
    expect(sentWith(server.agentToken)).toContain(`DELETE /api/agents/${server.agentId}`);
  });

  test("is no token to refresh the agent's with", async () => {
    const { err, code } = await run(["refresh-token", "--token", JOIN]);
    expect(code).toBe(1);
    expect(err).toMatch(/that is a join token.*\nhint: .*register --force/);
    expect(server.requests).toEqual([]);
    expect(JSON.parse(readFileSync(config(), "utf8")).token).toBe(server.agentToken);
  });
});

test("a file with nothing but a join token is not enough to start", async () => {
  await Bun.write(config(), JSON.stringify({ api_url: server.url, token: JOIN, agent_id: server.agentId }));
  const { err, code } = await run(["start"]);
  expect(code).toBe(3);
  expect(err).toContain("there is only a join token");
  // The same file registers the machine, and holds its own token afterwards.
  expect((await run(["register", "--force"])).code).toBe(0);
  expect(written()).not.toContain(JOIN);
});

test.each([
  ["option", { token: JOIN, env: { REXEC_TOKEN: "rexec_aa" } }, { joinToken: JOIN, token: "rexec_aa" }],
  ["environment", { env: { REXEC_TOKEN: JOIN } }, { joinToken: JOIN, token: null }],
  [
    "after an API token",
    { token: "rexec_aa", env: { REXEC_TOKEN: JOIN } },
    { joinToken: null, token: "rexec_aa" },
  ],
])("where it stands says what it counts for: %s", (_, options, expected) => {
  expect(loadConfig({ ...options, systemConfig: join(home, "none"), onlyNamed: true })).toMatchObject(
    expected,
  );
});

test("an agent that waits tries every few seconds, tells it once, and connects when it is accepted", async () => {
  await register();
  pending = true;
  const child = spawn(["start"]);
  const tries = () => server.requests.filter(({ path }) => path.startsWith("/ws/agent/")).length;
  await until(() => tries() >= 2, 15_000, "the agent to try again");
  const status = JSON.parse((await run(["status", "--json"])).out);
  expect(status).toMatchObject({ running: true, connected: false, pending: true });
  pending = false;
  await server.connected(1, 8_000);
  await until(
    async () => JSON.parse((await run(["status", "--json"])).out).connected === true,
    5_000,
    "the agent to say so",
  );
  expect(JSON.parse((await run(["status", "--json"])).out)).toMatchObject({ pending: false });
  child.kill("SIGTERM");
  const err = await child.stderr.text();
  expect(await child.exited).toBe(0);
  expect(err.match(/waits to be accepted at \S+: rexec accept box/g)).toHaveLength(1);
});

test("start --daemon of one that waits has done its part", async () => {
  // As an account of its own: root's log would be in the machine's folder.
  await using account = new Account();
  const registered = await account.run(["register", "--host", server.url], { env: { REXEC_TOKEN: JOIN } });
  expect(registered.code).toBe(0);
  pending = true;
  const { err, code } = await account.run(["start", "--daemon"]);
  expect(err).toContain("it connects once it is accepted");
  expect(err).toContain("rexec accept box");
  expect(code).toBe(0);
  expect((await account.run(["stop"])).code).toBe(0);
});

test("the pauses of one that waits stay short, and any other refusal is what it was", () => {
  const context: UplinkContext = {
    subject: { host: "https://h", agentId: "id", token: "t", name: "a b" },
    random: () => 0.999,
  };
  let state = INITIAL;
  for (let index = 0; index < 50; index += 1) {
    state = transition(state, { type: "ended", end: { kind: "refused", status: 423 }, at: 0 }, context);
    expect(state).toMatchObject({ phase: "waiting", isPending: true });
    if (state.phase === "waiting") expect(state.delayMs).toBeWithin(2_000, 5_000);
    state = transition(state, { type: "waited" }, context);
  }
  state = transition(state, { type: "ended", end: { kind: "refused", status: 503 }, at: 0 }, context);
  expect(state).not.toHaveProperty("isPending");
});

test("it is blanked where tokens are blanked, and its prefix tells two apart", () => {
  expect(redact(`REXEC_TOKEN=${JOIN} sh`)).toBe("REXEC_TOKEN=rexec_join_5e5e5e… sh");
  expect(redact(`Bearer ${JOIN}`)).not.toContain("5e5e5e5e");
  expect(redact(`rexec.token.${JOIN}`)).not.toContain("5e5e5e5e");
  expect(tokenPrefix(JOIN)).toBe("rexec_join_5e5e5e");
  expect(tokenPrefix(`rexec_${"ab".repeat(32)}`)).toBe("rexec_ababab");
});
