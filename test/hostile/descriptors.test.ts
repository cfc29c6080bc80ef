import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { call } from "../support/gateway.ts";
import { ServeProcess } from "../support/serve.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
import { until } from "../support/wait.ts";

const OPEN_FILES = 256;
const STRANGERS = 400;
/** How long the attack is looked at, milliseconds. */
const WATCHED_MS = 3_000;

const ATTACKS: [string, string][] = [
  ["requests that never end", "GET /health HTTP/1.1\r\nHo"],
  ["connections that say nothing", ""],
  ["handshakes that stop in the middle", "GET /ws/agent/x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"],
];

test.each(ATTACKS)(
  "400 %s use up no core and disturb nobody who is connected",
  async (_what, bytes) => {
    await using gateway = await new ServeProcess([], OPEN_FILES).start();
    const registered = await call(
      gateway.url,
      "POST",
      "/api/agents/register",
      { name: "box" },
      gateway.token,
    );
    await using agent = await V1Agent.connect(gateway, {
      id: registered.json.id,
      token: registered.json.token,
    });
    await using viewer = await V1Viewer.connect(gateway, registered.json.id, "colleague");
    await viewer.settle();
    const strangers = attack(gateway.url, bytes);
    try {
      const cpu = gateway.cpuMs;
      const slowest = await slowestAnswer(viewer, WATCHED_MS);
      expect(slowest).toBeLessThan(500);
      expect(gateway.cpuMs - cpu).toBeLessThan(WATCHED_MS / 4);
      expect(agent.isClosed).toBe(false);
    } finally {
      for (const stranger of strangers) stranger.destroy();
    }
    const healthy = async () => (await call(gateway.url, "GET", "/health").catch(() => null))?.status === 200;
    await until(healthy, 5_000, "an answer to those who come after the attack");
    expect(agent.isClosed || viewer.isClosed).toBe(false);
  },
  30_000,
);

test("connections that say nothing are let go of, while they last", async () => {
  await using gateway = await new ServeProcess([], OPEN_FILES).start();
  const strangers = attack(gateway.url, "GET / HT");
  const healthy = async () => (await call(gateway.url, "GET", "/health").catch(() => null))?.status === 200;
  await until(async () => !(await healthy()), 10_000, "the descriptors to be used up");
  await until(healthy, 40_000, "an answer, with the strangers still there");
  for (const stranger of strangers) stranger.destroy();
}, 60_000);

function attack(url: string, bytes: string): Socket[] {
  const { hostname, port } = new URL(url);
  return Array.from({ length: STRANGERS }, () => {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    socket.write(bytes);
    return socket;
  });
}

/** Milliseconds that the slowest round trip took. */
async function slowestAnswer(viewer: V1Viewer, ms: number): Promise<number> {
  let slowest = 0;
  for (const end = performance.now() + ms; performance.now() < end; ) {
    const start = performance.now();
    await viewer.settle();
    slowest = Math.max(slowest, performance.now() - start);
    await Bun.sleep(50); // as fast as a person types: the gateway's CPU time is looked at too
  }
  return slowest;
}
