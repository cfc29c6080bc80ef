/** What strangers and peers can write into a log, as fast as they can: a bounded number of bounded lines. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGateway } from "../../src/gateway/gateway.ts";
import { createLogger } from "../../src/lib/log.ts";
import { registeredBody } from "../../src/protocol/http.ts";
import { AgentProcess } from "../support/agent-process.ts";
import { ServeProcess } from "../support/serve.ts";
import { until, within } from "../support/wait.ts";

/** Of any attack below: a few lines and counts. */
const MOST_BYTES = 64 * 1024;

describe("the gateway's log takes few lines", () => {
  test.each([
    [
      "of refused upgrades without a token",
      (i: number) => `GET /ws/agent/${i}-${"x".repeat(150)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    ],
    ["of wrong tokens", (i: number) => `GET /ws/agent/${i}?token=rexec_${i} HTTP/1.1\r\nHost: x\r\n\r\n`],
    [
      "of terminals for pages of others",
      (i: number) => `GET /ws/agent/${i}/terminal HTTP/1.1\r\nHost: x\r\nOrigin: http://${i}.example\r\n\r\n`,
    ],
    ["of bad Host headers", (i: number) => `GET /${i} HTTP/1.1\r\nHost: a b:${i}\r\n\r\n`],
    ["of HTTP/1.0 without a Host", (i: number) => `GET /health?${i} HTTP/1.0\r\n\r\n`],
    ["of other methods on a socket", (i: number) => `DELETE /ws/agent/${i} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ])(
    "%s",
    async (_, request) => {
      await using gateway = await logging();
      await flood(gateway.port, 3_000, request);
      expect(gateway.text().length).toBeLessThan(MOST_BYTES);
      expect(gateway.text().split("\n").length).toBeLessThan(60);
    },
    60_000,
  );

  test("of an agent that connects anew and sends nonsense, again and again", async () => {
    await using gateway = await logging();
    const agent = await gateway.register();
    const socket = () => {
      const ws = new WebSocket(`ws://127.0.0.1:${gateway.port}/ws/agent/${agent.id}`, {
        headers: { authorization: `Bearer ${agent.token}` },
      });
      const { promise, resolve } = Promise.withResolvers<void>();
      ws.onopen = () => {
        for (let i = 0; i < 10; i += 1) ws.send(`{"type":"stats","data":"${"n".repeat(500)}\\u001b[2J"}`);
        ws.close();
      };
      ws.onclose = () => resolve();
      ws.onerror = () => resolve();
      return within(promise, 10_000, "a socket to close");
    };
    for (let round = 0; round < 300; round += 1) await socket();
    expect(gateway.text().length).toBeLessThan(MOST_BYTES);
    expect(gateway.text()).toMatch(/connected from 127.0.0.1/);
    // The count comes by itself.
    await until(() => /more like this within 10 s/.test(gateway.text()), 15_000, "the count");
  }, 60_000);
});

test("a server that breaks the contract as fast as it can gets few lines into the agent's log", async () => {
  let frames = 0;
  const bad = [
    '{"type":"shell_input","data":{}}',
    '{"type":"error","data":{"message":"[error] forged\\nline\\u001b[2J"}}',
    '{"type":"shell_resize","data":{"session_id":"main","cols":-1,"rows":1e9}}',
    '{"type":"kill","session":7}',
    '{"type":"exec","data":{"command":"true","cwd":"/no/such/folder"}}',
    "no json at all",
  ];
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) => (self.upgrade(request, {}) ? undefined : Response.json({})),
    websocket: {
      open(ws) {
        for (let round = 0; round < 2_000; round += 1) for (const frame of bad) ws.send(frame);
        ws.send(new Uint8Array(3));
      },
      message: () => {
        frames += 1;
      },
    },
  });
  await using agent = new AgentProcess({
    url: server.url.origin,
    token: `rexec_${"a".repeat(64)}`,
    agentId: crypto.randomUUID(),
  });
  await until(() => frames > 2, 15_000, "the agent to speak");
  const log = await agent.stop();
  expect(log.length).toBeLessThan(MOST_BYTES);
  expect(log).toContain("forged\\nline");
  expect(log).not.toContain("\u001b");
}, 60_000);

test("REXEC_LOG=debug is bounded too", async () => {
  let text = "";
  const log = createLogger("debug", false, (line) => {
    text += line;
  });
  for (let i = 0; i < 200_000; i += 1) log.debug(`message ${i}`);
  expect(text.split("\n").length).toBeLessThan(10_000);
});

test("what is said to `rexec serve` in a flood stays small where its log is a file", async () => {
  await using gateway = await new ServeProcess().start();
  await flood(
    Number(new URL(gateway.url).port),
    2_000,
    (i) => `GET /ws/agent/${i} HTTP/1.1\r\nHost: x\r\n\r\n`,
  );
  const answer = await fetch(`${gateway.url}/health`, { signal: AbortSignal.timeout(5_000) });
  expect(answer.status).toBe(200);
}, 60_000);

// --- internal ---

/** A gateway with the logger that `rexec serve` has. */
async function logging() {
  const folder = mkdtempSync(join(tmpdir(), "rexec-flood-"));
  writeFileSync(join(folder, ".keep"), "");
  let text = "";
  const logger = createLogger("info", false, (line) => {
    text += line;
  });
  const gateway = await createGateway({ host: "127.0.0.1", port: 0, dataDir: folder, logger });
  const port = Number(new URL(gateway.url).port);
  return {
    port,
    text: () => text,
    async register() {
      const answer = await fetch(`${gateway.url}/api/agents/register`, {
        method: "POST",
        headers: { authorization: `Bearer ${gateway.adminToken}`, "content-type": "application/json" },
        body: JSON.stringify({ name: "box", os: "linux", arch: "amd64" }),
      });
      return registeredBody.parse(await answer.json());
    },
    async [Symbol.asyncDispose]() {
      await gateway.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Sends so many requests over a few connections each for itself, and takes an answer to each. */
async function flood(port: number, count: number, request: (index: number) => string): Promise<void> {
  const one = (index: number) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("error", () => resolve());
    socket.on("close", () => resolve());
    socket.on("data", () => socket.destroy());
    socket.write(request(index));
    return promise;
  };
  for (let done = 0; done < count; done += 100) {
    await within(
      Promise.all(Array.from({ length: 100 }, (_, index) => one(done + index))),
      15_000,
      "answers",
    );
  }
}
