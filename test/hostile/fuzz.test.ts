/**
 * All fuzzers at once against one compiled gateway: HTTP, both sockets, terminal output. `FUZZ_SECONDS` says how long
 * (60 in CI), `FUZZ_SEED` from which seed; `bun run fuzz` goes on with other seeds until it is stopped.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import type { Heard } from "../support/socket.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
import { within } from "../support/wait.ts";
import type { Statuses, Target } from "./fuzz/attacks.ts";
import type { Order } from "./fuzz/worker.ts";
import { type AttackedGateway, attackedGateway } from "./support.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 9);
const MS = Number(process.env.FUZZ_SECONDS ?? (process.env.CI ? 60 : 10)) * 1_000;
/** Of a person's key, milliseconds; on a machine that is busy otherwise, so many times what a bare server takes. */
const ECHO_P99_MS = 100;
const ECHO_RATIO = 3;
/** Over an idle gateway, bytes. */
const MEMORY_BYTES = 512 * 1024 * 1024;

test(
  `fuzzed from seed ${SEED}, the gateway fails nowhere and a colleague's echo stays quick`,
  async () => {
    await using gateway = await attackedGateway();
    const colleague = await gateway.register("innocent");
    await using _agent = await new EchoAgent(
      `${gateway.url}/ws/agent/${colleague.id}`,
      colleague.token,
    ).open();
    await using viewer = await V1Viewer.connect(gateway, colleague.id, "colleague");
    const idle = await gateway.measure(() => Bun.sleep(500));
    const kinds = ["http", "agent", "viewer", "terminal"] as const;
    const socketAgent = await gateway.register("fuzzed");
    const echoes: number[] = [];
    await using control = await controlServer();
    const controls: number[] = [];
    const attacked = await gateway.measure(async () => {
      const attacks = kinds.map(async (kind, index) => {
        const own = kind === "agent" || kind === "viewer" ? socketAgent : await gateway.register(kind);
        return fuzz({ kind, target: targetOf(gateway, own), seed: SEED + index, ms: MS });
      });
      const until = performance.now() + MS;
      const typing = type(viewer, echoes, until);
      const typingAtControl = typeAtControl(control.url, controls, until);
      const [statuses] = await Promise.all(attacks);
      await Promise.all([typing, typingAtControl]);
      // 504: the fuzzed agent was asked for its sessions. 505: HTTP/9.
      const failed = Object.keys(statuses ?? {}).filter((status) => /^5(?!04|05)/.test(status));
      expect(failed).toEqual([]);
      expect(Object.keys(statuses ?? {})).toContain("200");
    });
    expect(gateway.isAlive).toBe(true);
    expect((await gateway.api("GET", "/health")).status).toBe(200);
    // What it says of itself: a fault inside is an error line.
    expect(gateway.log.split("\n").filter((line) => line.includes("[error]"))).toEqual([]);
    expect(attacked.peakBytes - idle.peakBytes).toBeLessThan(MEMORY_BYTES);
    for (const times of [echoes, controls]) expect(times.length).toBeGreaterThan(MS / 200);
    expect(p99(echoes)).toBeLessThan(Math.max(ECHO_P99_MS, ECHO_RATIO * p99(controls)));
  },
  MS + 60_000,
);

class EchoAgent extends V1Agent {
  protected override heard(message: Heard): void {
    super.heard(message);
    if (message.type !== "shell_input") return;
    this.output(message.data.session_id, Buffer.from(message.data.data, "base64"));
  }
}

/** A process that echoes by WebSocket and does nothing else: what the machine itself takes for an echo right now. */
async function controlServer() {
  const script = `const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request, its) =>
    its.upgrade(request) ? undefined : new Response(null, { status: 400 }),
    websocket: { message: (socket, data) => void socket.send(data) } });
  console.log(server.url.href);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdin: "ignore", stdout: "pipe" });
  const stop = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  const first = await within(child.stdout.getReader().read(), 15_000, "the control server");
  const url = new TextDecoder().decode(first.value).trim().replace(/^http/, "ws");
  return { url, [Symbol.asyncDispose]: stop };
}

/** As `type`, straight to the control server. */
async function typeAtControl(url: string, times: number[], until: number): Promise<void> {
  const socket = new WebSocket(url);
  try {
    await heard(socket, "open");
    while (performance.now() < until) {
      const pressed = performance.now();
      const echo = heard(socket, "message");
      socket.send("x");
      await echo;
      times.push(performance.now() - pressed);
      await Bun.sleep(50);
    }
  } finally {
    socket.close();
  }
}

function heard(socket: WebSocket, event: "open" | "message"): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.addEventListener(event, () => resolve(), { once: true });
  return within(promise, 10_000, `the control server's ${event}`);
}

function p99(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] ?? Number.POSITIVE_INFINITY;
}

/** A key each 50 ms, and how long each took to be seen, ms. */
async function type(viewer: V1Viewer, echoes: number[], until: number): Promise<void> {
  for (let key = 0; performance.now() < until; key += 1) {
    const pressed = performance.now();
    viewer.send(new TextEncoder().encode(`<${key}>`));
    await viewer.sees(`<${key}>`, 10_000);
    echoes.push(performance.now() - pressed);
    viewer.text = "";
    await Bun.sleep(50);
  }
}

async function fuzz(order: Order): Promise<Statuses> {
  const worker = new Worker(join(import.meta.dir, "fuzz", "worker.ts"));
  const { promise, resolve, reject } = Promise.withResolvers<Statuses>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => reject(new Error(`${order.kind}: ${message}`));
  worker.postMessage(order);
  try {
    return await within(promise, order.ms + 30_000, `the end of the ${order.kind} fuzzer`);
  } finally {
    worker.terminate();
  }
}

function targetOf({ url, token }: AttackedGateway, agent: { id: string; token: string }): Target {
  return { url, token, agent };
}
