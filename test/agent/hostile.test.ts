import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { type RunningAgent, startAgent } from "../support/agent.ts";
import { V1Server } from "../support/v1-server.ts";
import { until } from "../support/wait.ts";

let server: V1Server;
let agent: RunningAgent;

beforeAll(async () => {
  server = new V1Server();
  agent = startAgent({ host: server.url, token: server.token, agentId: server.agentId, maxSessions: 8 });
  await server.connected();
});
afterAll(async () => {
  expect(await agent.stop()).toBeNull();
  await server.stop();
});

async function stillServes(): Promise<void> {
  const result = await server.exec({ command: "echo alive" });
  expect(result.output).toBe("alive\n");
  expect(server.connections).toBe(1);
}

describe("a server that breaks the contract", () => {
  const frames: [string, string | Uint8Array][] = [
    ["malformed JSON", '{"type": "shell_start"'],
    ["no JSON at all", "\u0000\u0001 hello"],
    ["an empty frame", ""],
    ["no object", "[1,2,3]"],
    ["no type", '{"data":{}}'],
    ["a type that is no text", '{"type":7}'],
    ["an unknown type", '{"type":"launch_missiles","data":{}}'],
    ["input that is no base64", '{"type":"shell_input","data":{"session_id":"main","data":"@@@"}}'],
    ["input that is a number", '{"type":"shell_input","data":{"session_id":"main","data":5}}'],
    ["input without data", '{"type":"shell_input"}'],
    ["an id that is an object", '{"type":"shell_start","data":{"session_id":{},"new_session":true}}'],
    [
      "an endless id",
      JSON.stringify({ type: "shell_start", data: { session_id: "x".repeat(100_000), new_session: true } }),
    ],
    ["a command that is none", '{"type":"exec","data":{"command":["ls"]}}'],
    ["a stop for nothing", '{"type":"shell_stop_session","data":null}'],
    ["a prototype", '{"type":"shell_start","data":{"__proto__":{"x":1},"session_id":"__proto__"}}'],
    ["a binary frame", Uint8Array.of(1, 2, 3)],
    ["deep nesting", `${'{"type":"error","data":'.repeat(1)}${"[".repeat(5_000)}${"]".repeat(5_000)}}`],
  ];

  test.each(frames)("lives on after %s", async (_, frame) => {
    server.raw(frame);
    await stillServes();
  });

  test("lives on after a message of 64 MB", async () => {
    server.raw(
      JSON.stringify({ type: "shell_input", data: { session_id: "main", data: "A".repeat(64_000_000) } }),
    );
    await stillServes();
  }, 20_000);

  test("logs a flood of nonsense in a few lines", async () => {
    const before = agent.logger.lines.length;
    for (let count = 0; count < 2_000; count += 1) server.raw("nonsense");
    await stillServes();
    expect(agent.logger.lines.length - before).toBeLessThan(10);
  });

  test("answers a flood of pings without keeping them", async () => {
    for (let count = 0; count < 5_000; count += 1) server.send("ping");
    await stillServes();
  });

  test("runs no more shells than its limit and says so", async () => {
    server.send("shell_stop"); // some of the frames above start one
    await until(() => (server.session()?.state ?? "stopped") === "stopped", 5_000, "main to be gone");
    for (let count = 0; count < 12; count += 1) server.start(`split-${count}`, true);
    await server.reached("error", "split-11");
    expect(server.session("split-11")?.error).toContain("limit");
    expect([...server.sessions.values()].filter((session) => session.state === "started")).toHaveLength(8);
    server.send("shell_stop");
    await server.reached("stopped", "split-7");
    await stillServes();
  });
});

describe("shells that can't start", () => {
  test("says which shell does not exist", async () => {
    const other = new V1Server();
    await using odd = startAgent({
      host: other.url,
      token: other.token,
      agentId: other.agentId,
      shell: "/no/such/shell",
    });
    await other.connected();
    expect(odd.logger.lines.join("\n")).toMatch(
      /the shell \/no\/such\/shell does not exist: .*register --shell/,
    );
    other.start();
    const session = await other.reached("error");
    expect(session.error).toContain("/no/such/shell");
    expect(await other.exec({ command: "true" })).toMatchObject({ success: false, exit_code: null });
    await other.stop();
  });

  test("starts in the home where working_dir is gone, and warns", async () => {
    const other = new V1Server();
    await using lost = startAgent({
      host: other.url,
      token: other.token,
      agentId: other.agentId,
      workingDir: "/no/such/folder",
    });
    await other.connected();
    const warning = expect.stringContaining("/no/such/folder");
    expect(lost.logger.lines).toEqual(expect.arrayContaining([warning]));
    other.start();
    await other.reached("started");
    other.type("cd . && [ $PWD = $HOME ] && echo at''home\n");
    await other.printed("athome");
    await other.stop();
  });
});

test("200 sessions opened and closed leave no descriptor, process or memory behind", async () => {
  const children = () =>
    readdirSync("/proc/self/task")
      .map((task) => readFileSync(`/proc/self/task/${task}/children`, "utf8").trim())
      .filter(Boolean)
      .flatMap((pids) => pids.split(/\s+/)).length;
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const round = async (from: number, count: number) => {
    for (let at = from; at < from + count; at += 8) {
      const ids = Array.from(
        { length: Math.min(8, from + count - at) },
        (_, index) => `split-n${at + index}`,
      );
      for (const id of ids) server.start(id, true);
      for (const id of ids) await server.reached("started", id);
      for (const [index, id] of ids.entries()) {
        if (index % 2) server.type("exit\n", id);
        else server.send("shell_stop_session", { session_id: id });
      }
      for (const id of ids) await server.reached("stopped", id);
      for (const id of ids) server.sessions.delete(id);
    }
  };
  await round(0, 40); // what the runtime keeps for later is kept now
  Bun.gc(true);
  const before = { fds: descriptors(), children: children(), rss: process.memoryUsage.rss() };
  await round(40, 200);
  await until(() => descriptors() <= before.fds, 5_000, `the descriptors to be ${before.fds} again`);
  await until(() => children() <= before.children, 5_000, "the children to be gone");
  Bun.gc(true);
  expect(process.memoryUsage.rss() - before.rss).toBeLessThan(30 * 1024 * 1024);
}, 60_000);
