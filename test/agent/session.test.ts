import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { type RunningAgent, startAgent } from "../support/agent.ts";
import { V1Server } from "../support/v1-server.ts";
import { until } from "../support/wait.ts";

let server: V1Server;
let agent: RunningAgent;

beforeAll(async () => {
  server = new V1Server();
  agent = startAgent({ host: server.url, token: server.token, agentId: server.agentId });
  await server.connected();
});
afterAll(async () => {
  expect(await agent.stop()).toBeNull();
  await server.stop();
});
beforeEach(async () => {
  server.send("shell_stop");
  await until(
    () => [...server.sessions.values()].every((s) => s.state === "stopped" || s.state === "error"),
    5_000,
    "all to stop",
  );
  server.sessions.clear();
});

test("tells what the machine is right after connecting, and its load", async () => {
  await until(() => server.types.includes("stats"), 2_000, "stats");
  expect(server.types.slice(0, 2)).toEqual(["system_info", "stats"]);
});

test("answers a ping with a pong", async () => {
  server.send("ping");
  await until(() => server.types.includes("pong"), 2_000, "a pong");
});

test("serves a shell: what is typed is run, and what it prints comes back", async () => {
  server.start();
  await server.reached("started");
  server.type("echo $((6*7))-done\n");
  await server.printed("42-done");
});

test("shares main whatever id comes with it, and gives a split a shell of its own", async () => {
  server.send("shell_start");
  await server.reached("started");
  server.type("X=shared\n");
  server.start("anything", false);
  server.start("split-1", true);
  await server.reached("started", "split-1");
  server.type("echo [$X]\n", "main");
  server.type("echo [$X]\n", "split-1");
  await server.printed("[shared]", "main");
  await server.printed("[]", "split-1");
  expect(server.sessions.has("anything")).toBe(false);
});

test("answers shell_started alone where the session runs already", async () => {
  server.start();
  await server.reached("started");
  const before = server.types.length;
  server.start();
  await until(() => server.types.slice(before).includes("shell_started"), 2_000, "the answer");
  expect(server.types.slice(before)).not.toContain("shell_starting");
});

test("sends input without an id to main, and never to another session where the id is unknown", async () => {
  server.start();
  await server.reached("started");
  server.type("echo em''pty\n", "");
  await server.printed("empty");
  server.type("echo le''ak\n", "split-unknown");
  await server.reached("error", "split-unknown");
  expect(server.session("split-unknown")?.error).toContain("no such session");
  server.type("echo e''nd\n");
  await server.printed(/end\r/);
  expect(server.output()).not.toContain("leak");
});

test("begins at 120 x 30, takes a resize, and one that comes before the start", async () => {
  server.start();
  await server.reached("started");
  server.type("stty size\n");
  await server.printed("30 120");
  server.send("shell_resize", { session_id: "main", cols: 97, rows: 41 });
  server.type("stty size\n");
  await server.printed("41 97");
  server.send("shell_resize", { session_id: "split-r", cols: 133, rows: 44 });
  server.start("split-r", true);
  await server.reached("started", "split-r");
  server.type("stty size\n", "split-r");
  await server.printed("44 133", "split-r");
});

test("ignores a nonsensical size with a warning", async () => {
  server.start();
  await server.reached("started");
  for (const cols of [0, -1, 65_536, 1.5, "80", null])
    server.send("shell_resize", { session_id: "main", cols, rows: 10 });
  server.type("stty size\n");
  await server.printed("30 120");
  expect(agent.logger.lines.filter((line) => line.includes("ignored a size"))).toHaveLength(6);
});

test("reports how the shell ended, after its last output", async () => {
  server.start();
  await server.reached("started");
  server.type("echo la''st; exit 7\n");
  const ended = await server.reached("stopped");
  expect(ended).toMatchObject({ exitCode: 7, signal: null });
  expect(server.output()).toContain("last");
  server.start("split-k", true);
  await server.reached("started", "split-k");
  server.type("kill -9 $$\n", "split-k");
  expect(await server.reached("stopped", "split-k")).toMatchObject({ exitCode: null, signal: "SIGKILL" });
});

test("ends one session, and all of them", async () => {
  for (const id of ["split-a", "split-b", "split-c"]) server.start(id, true);
  for (const id of ["split-a", "split-b", "split-c"]) await server.reached("started", id);
  server.send("shell_stop_session", { session_id: "split-b" });
  await server.reached("stopped", "split-b");
  expect(server.session("split-a")?.state).toBe("started");
  server.send("shell_stop");
  await server.reached("stopped", "split-a");
  await server.reached("stopped", "split-c");
});

test("starts a shell anew under an id whose shell has ended", async () => {
  server.start();
  await server.reached("started");
  server.type("exit\n");
  await server.reached("stopped");
  server.start();
  await server.reached("started");
  server.type("echo a''gain\n");
  await server.printed("again");
});

test("gives a shell its terminal and none of the agent's secrets", async () => {
  server.start();
  await server.reached("started");
  server.type("env | sort; echo e''nd\n");
  await server.printed(/end\r/);
  const lines = server.output().split("\r\n");
  expect(lines).toContain("TERM=xterm-256color");
  expect(lines).toContain("REXEC_AGENT=1");
  expect(lines).toContain("SHELL=/bin/sh");
  expect(lines.filter((line) => /^(REXEC_|BUN_)/.test(line))).toEqual(["REXEC_AGENT=1"]);
});

test("takes a 5 MB paste byte for byte, while another session goes on", async () => {
  server.start();
  server.start("split-p", true);
  await server.reached("started", "split-p");
  // `head` reads late, so that the paste has to wait in the agent.
  server.type("stty raw -echo; echo rea''dy; sleep 1; head -c 5000000 | sha256sum; stty sane\n");
  await server.printed("ready");
  const paste = Buffer.alloc(5_000_000);
  for (let at = 0; at < paste.length; at += 1) paste[at] = 32 + ((at * 7 + (at >> 8)) % 94);
  for (let at = 0; at < paste.length; at += 60_000) server.type(paste.subarray(at, at + 60_000));
  server.type("echo ali''ve\n", "split-p");
  await server.printed("alive", "split-p", 800);
  await server.printed(new Bun.CryptoHasher("sha256").update(paste).digest("hex"), "main", 20_000);
});

test("refuses what a program does not read beyond 8 MiB, says so, and leaves no hole before it", async () => {
  server.start();
  await server.reached("started");
  server.type("stty raw -echo; echo rea''dy; sleep 1.5; head -c 4000000 | sha256sum; stty sane\n");
  await server.printed("ready");
  const piece = Buffer.alloc(64_000, "x");
  for (let sent = 0; sent < 20_000_000; sent += piece.length) server.type(piece);
  await until(() => server.session()?.error?.includes("does not read"), 5_000, "the refusal");
  const hash = new Bun.CryptoHasher("sha256").update(Buffer.alloc(4_000_000, "x")).digest("hex");
  await server.printed(hash, "main", 20_000);
});

test("sends 50 MB of output whole, and holds little of it", async () => {
  server.start("split-big", true);
  const session = await server.reached("started", "split-big");
  // Neither echo nor prompt, so that what follows is the command's output alone.
  server.type("stty -echo -onlcr; PS1=; echo BE''GIN\n", "split-big");
  await server.printed("BEGIN\n", "split-big");
  server.keepOutput = false;
  const hash = new Bun.CryptoHasher("sha256");
  server.hashes.set("split-big", hash);
  const from = session.bytes;
  const before = process.memoryUsage.rss();
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  const line = "0123456789abcdefghijklmnopqrstuvwxyz\n";
  server.type(`yes ${line.trim()} | head -c 50000000; exit\n`, "split-big");
  await server.reached("stopped", "split-big", 30_000);
  clearInterval(watch);
  server.keepOutput = true;
  expect(session.bytes - from).toBe(50_000_000);
  const expected = line.repeat(Math.ceil(50_000_000 / line.length)).slice(0, 50_000_000);
  expect(hash.digest("hex")).toBe(new Bun.CryptoHasher("sha256").update(expected).digest("hex"));
  // Agent, server and the test itself are in this process.
  expect(peak - before).toBeLessThan(150 * 1024 * 1024);
}, 40_000);
