/** A machine that joined by a token, against a real gateway: what it may say of itself afterwards. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { within } from "../support/wait.ts";

const MAIN = join(import.meta.dir, "../../src/rexec-agent.ts");
let home: string;
let gateway: TestGateway;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "rexec-joined-"));
  gateway = await startGateway();
});
afterEach(async () => {
  await gateway[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

const config = () => join(home, "agent.json");
const stored = () => JSON.parse(readFileSync(config(), "utf8"));
const atServer = async () => (await gateway.api("GET", `/api/agents/${stored().agent_id}`)).json;
const joinToken = async (wish: object): Promise<string> =>
  (await gateway.api("POST", "/api/joins", wish)).json.token;

async function run(args: string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([process.execPath, MAIN, ...args], {
    env: { PATH: process.env.PATH ?? "", HOME: home, SHELL: "/bin/sh", REXEC_CONFIG: config(), ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const all = Promise.all([child.stderr.text(), child.exited]);
  const [err, code] = await within(all, 20_000, `${args.join(" ")} to end`);
  return { err, code };
}

const register = (token: string, ...args: string[]) =>
  run(["register", "--host", gateway.url, ...args], { REXEC_TOKEN: token });

test("changes its name and description, and not its tags", async () => {
  await register(await joinToken({ tags: ["dev"] }), "--name", "before");
  expect(stored().tags).toEqual(["dev"]);
  const { err, code } = await run([
    "register",
    "--name",
    "after",
    "--description",
    "d",
    "--tags",
    "dev,prod",
  ]);
  expect(err).toContain("warning: tags changed here only:");
  expect(err).toContain("its owner alone changes them (rexec tag), and it is not given prod");
  expect(code).toBe(0);
  expect(await atServer()).toMatchObject({ name: "after", description: "d", tags: ["dev"] });
  // A user's token may do both.
  await register(gateway.token, "--tags", "prod");
  expect(await atServer()).toMatchObject({ tags: ["prod"] });
});

test("keeps to the names of its token", async () => {
  await register(await joinToken({ name_pattern: "web-*" }), "--name", "web-1");
  const { err } = await run(["register", "--name", "db-1"]);
  expect(err).toContain('this machine joined by a token for names like "web-*"');
  expect(await atServer()).toMatchObject({ name: "web-1" });
});

test("asks for no tags that stand in its file from an earlier registration", async () => {
  writeFileSync(config(), JSON.stringify({ name: "kept", tags: ["from", "before"] }));
  const { err, code } = await register(await joinToken({ tags: ["new"] }));
  expect([code, err.includes("warning")]).toEqual([0, false]);
  expect(await atServer()).toMatchObject({ name: "kept", tags: ["new"] });
  expect(stored().tags).toEqual(["new"]);
});

test("that waits keeps its place when it registers again, and takes no further use", async () => {
  const token = await joinToken({ approve: true, uses: 2 });
  await register(token, "--name", "box");
  const { agent_id } = stored();
  const { err } = await register(token, "--name", "other");
  expect(err).toContain("registered already: the join token was not used");
  expect(err).toContain("waits to be accepted, and changes nothing until then");
  expect(stored().agent_id).toBe(agent_id);
  const { json } = await gateway.api("GET", "/api/agents?pending=true");
  expect(json).toMatchObject([{ id: agent_id, name: "box", pending: true }]);
});

test("of a token for ephemeral machines is told that it is forgotten once it stays away", async () => {
  const { err } = await register(await joinToken({ ephemeral: true }));
  expect(err).toContain("warning: the join token is for machines that come and go");
});

test("doctor says that a machine waits", async () => {
  await register(await joinToken({ approve: true }), "--name", "box");
  const child = Bun.spawn([process.execPath, MAIN, "doctor"], {
    env: { PATH: process.env.PATH ?? "", HOME: home, REXEC_CONFIG: config() },
    stdout: "pipe",
    stderr: "ignore",
  });
  expect(await child.stdout.text()).toContain("423 to the upgrade: this machine waits to be accepted");
  await child.exited;
});
