import { describe, expect, test } from "bun:test";
import { call } from "../../support/gateway.ts";
import { ServeProcess } from "../../support/serve.ts";
import { V2Agent } from "../../support/v2-agent.ts";
import { V2Viewer } from "../../support/v2-viewer.ts";
import { until, within } from "../../support/wait.ts";

const MIB = 1024 * 1024;

function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

/** Random, so that no error cancels out. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

async function stage(options: string[] = []) {
  const gateway = await new ServeProcess(options).start();
  const body = { name: "box", os: "linux", arch: "amd64" };
  const { json } = await call(gateway.url, "POST", "/api/agents/register", body, gateway.token);
  const agent = new V2Agent(() => `${gateway.url}/ws/agent/${json.id}`, json.token);
  await agent.connect();
  const viewer = (keeps = false) =>
    new V2Viewer(() => `${gateway.url}/ws/agent/${json.id}/terminal`, gateway.token, { keeps });
  return {
    gateway,
    agent,
    viewer,
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
    },
  };
}

describe("a gateway that is killed with -9", () => {
  test("and started again, on the same port and then on another one, costs no byte in either direction", async () => {
    await using here = await stage();
    await using viewer = here.viewer();
    await viewer.attach();
    viewer.reconnects();
    here.agent.reconnects();
    here.agent.held.add("main");
    const [output, input] = [noise(24 * MIB), noise(MIB)];
    const writing = here.agent.write("main", output);
    const typing = (async () => {
      for (let at = 0; at < input.length; at += 32 * 1024) {
        await until(() => at - viewer.inputConsumed < 192 * 1024, 30_000, "input to be applied");
        viewer.type(input.subarray(at, at + 32 * 1024));
        await Bun.sleep(5);
      }
    })();
    for (const port of [undefined, undefined, 0]) {
      const from = viewer.received;
      await until(() => viewer.received > from + 2 * MIB, 20_000, "some output");
      await here.gateway.kill();
      await here.gateway.start(port);
    }
    await within(Promise.all([writing, typing]), 60_000, "the rest");
    await until(() => viewer.received >= output.length, 20_000, "all output");
    await until(() => viewer.inputConsumed >= input.length, 20_000, "all input");
    expect([viewer.received, viewer.skipped]).toEqual([output.length, 0]);
    expect(viewer.hash.digest("hex")).toBe(sha256(output));
    expect(sha256(here.agent.shell("main").typed)).toBe(sha256(input));
  }, 120_000);
});

describe("memory of the gateway", () => {
  test("stays flat while one viewer floods past another that stalls, and while the only one stalls", async () => {
    await using here = await stage();
    await using fast = here.viewer();
    await using slow = here.viewer();
    await Promise.all([fast.attach(), slow.attach()]);
    const piece = Buffer.alloc(16 * MIB, "some text that scrolls by\r\n");
    await here.agent.write("main", piece); // warm
    await until(() => fast.received === piece.length, 10_000, "the first part");
    const before = here.gateway.rss;
    slow.stalled = true;
    for (let round = 0; round < 6; round += 1) await here.agent.write("main", piece);
    await until(() => fast.received === 7 * piece.length, 20_000, "all of it");
    expect(here.gateway.rss - before).toBeLessThan(48 * MIB);
    fast.detach();
    const writing = here.agent.write("main", piece);
    await Bun.sleep(1_000);
    expect(here.gateway.rss - before).toBeLessThan(48 * MIB);
    slow.stalled = false;
    await within(writing, 20_000, "the program to go on with the other one");
  }, 60_000);
});

describe("liveness", () => {
  test("a peer that says nothing at all is given up within the time that was set", async () => {
    await using here = await stage(["--ping-interval", "1s", "--dead-after", "2s"]);
    await using viewer = here.viewer();
    await viewer.attach();
    await using other = here.viewer();
    await other.attach();
    const started = performance.now();
    here.agent.pause();
    const status = await viewer.hears("agent_status", 0, 6_000);
    expect(status.status).toBe("offline");
    expect(performance.now() - started).toBeGreaterThan(1_500);
    expect(performance.now() - started).toBeLessThan(4_500);
    expect([viewer.isOpen, other.isOpen]).toEqual([true, true]);
  }, 20_000);
});
