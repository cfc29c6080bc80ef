import { describe, expect, test } from "bun:test";
import { Backlog } from "../../src/gateway/v1/backlog.ts";
import { HIGH_BYTES, LOW_BYTES, SKIP_BYTES, shouldPause } from "../../src/gateway/v1/flow.ts";
import { nextState, type ShellEvent, type ShellState } from "../../src/gateway/v1/session.ts";
import { startGateway } from "../support/gateway.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
import { settled, until, within } from "../support/wait.ts";

const MIB = 1024 * 1024;
const CHUNK = 64 * 1024;

async function stage(timings = {}) {
  const gateway = await startGateway({ timings: { tickMs: 20, ...timings } });
  const registered = await gateway.register();
  const agent = await V1Agent.connect(gateway, registered);
  return {
    gateway,
    agent,
    viewer: (id: string) => V1Viewer.connect(gateway, registered.id, id),
    async [Symbol.asyncDispose]() {
      agent.drop();
      await gateway[Symbol.asyncDispose]();
    },
  };
}

/** Numbered lines, so that a gap or a repetition shows: `bytes` of them, in chunks as an agent sends them. */
function* numbered(bytes: number): Generator<string> {
  let line = 0;
  for (let sent = 0; sent < bytes; ) {
    let chunk = "";
    while (chunk.length < CHUNK - 100) {
      chunk += `${String(line).padStart(9, "0")} ${"x".repeat(80)}\n`;
      line += 1;
    }
    sent += chunk.length;
    yield chunk;
  }
}

/** Sends as an agent does: no faster than the socket takes it. Resolves when all of it has left. */
async function pour(agent: V1Agent, bytes: number): Promise<string> {
  let all = "";
  for (const chunk of numbered(bytes)) {
    agent.output("main", chunk);
    all += chunk;
    while (agent.ws.bufferedAmount > MIB) await Bun.sleep(2);
  }
  while (agent.ws.bufferedAmount > 0) await Bun.sleep(2);
  return all;
}

describe("a slow viewer", () => {
  test("beside a fast one costs the fast one nothing, and is told what it missed", async () => {
    await using here = await stage();
    await using fast = await here.viewer("fast");
    await using slow = await here.viewer("slow");
    await Promise.all([fast.next("shell_started"), slow.next("shell_started")]);
    slow.ws.pause();
    const before = process.memoryUsage.rss();
    const all = await within(pour(here.agent, 64 * MIB), 20_000, "the agent to be rid of its output");
    await until(() => fast.text.length >= all.length, 10_000, "the fast viewer to have all of it");
    expect(Bun.hash(fast.text)).toBe(Bun.hash(all));
    // Agent, gateway and both viewers are this one process, which holds the text a few times over itself.
    expect(process.memoryUsage.rss() - before).toBeLessThan(600 * MIB);
    slow.ws.resume();
    await slow.sees("bytes of output skipped", 10_000);
    here.agent.output("main", "and on\n");
    await slow.sees("and on\n");
    const [, amount = ""] = /\[rexec: ([\d,]+) bytes of output skipped/.exec(slow.text) ?? [];
    const skipped = Number(amount.replaceAll(",", ""));
    const seen = slow.text.slice(0, slow.text.indexOf("\x18")); // the marker begins with CAN, and follows the gap
    expect(skipped + seen.length).toBe(all.length);
    expect(all.startsWith(seen)).toBe(true);
    expect(seen.length).toBeLessThan(32 * MIB);
  }, 40_000);

  test("that is the only one makes the agent wait, and loses nothing", async () => {
    await using here = await stage();
    await using only = await here.viewer("only");
    await only.next("shell_started");
    only.ws.pause();
    let poured = false;
    const pouring = pour(here.agent, 48 * MIB).then((all) => {
      poured = true;
      return all;
    });
    const { hub } = here.gateway.gateway;
    const waiting = () => hub.buffered;
    await until(() => waiting() > HIGH_BYTES, 10_000, "the viewer's buffer to fill");
    // Both kernels' buffers are full when nothing has moved for a while.
    await settled(() => here.agent.ws.bufferedAmount, 10_000, "the agent to be stopped");
    expect(poured).toBe(false);
    expect(waiting()).toBeLessThan(HIGH_BYTES + 2 * MIB);
    only.ws.resume();
    const all = await within(pouring, 20_000, "the agent to go on");
    await until(() => only.text.length >= all.length, 10_000, "all of it");
    expect(Bun.hash(only.text)).toBe(Bun.hash(all));
  }, 40_000);

  test("that leaves sets the agent free", async () => {
    await using here = await stage();
    const only = await here.viewer("only");
    await only.next("shell_started");
    only.ws.pause();
    const pouring = pour(here.agent, 48 * MIB);
    await until(() => here.gateway.gateway.hub.buffered > HIGH_BYTES, 10_000, "the viewer's buffer to fill");
    only.drop();
    await within(pouring, 20_000, "the agent to go on");
    await here.agent.settle();
  }, 40_000);

  test("that takes nothing at all is closed, and the agent goes on", async () => {
    await using here = await stage({ viewerStallMs: 300, stopMs: 300 });
    await using only = await here.viewer("only");
    await only.next("shell_started");
    only.ws.pause();
    await within(pour(here.agent, 48 * MIB), 20_000, "the agent to go on");
    expect(here.gateway.log.join("\n")).toContain("took no output for");
    only.ws.resume();
    await within(only.closed, 5_000, "the close");
  }, 40_000);

  test("does not keep an agent from being pinged while it is not read", async () => {
    await using here = await stage({ pingMs: 50, deadPeerMs: 300 });
    await using only = await here.viewer("only");
    await only.next("shell_started");
    // A paused client answers no ping; it says on its own that it lives, as ours does.
    only.ws.pause();
    const alive = setInterval(() => only.ws.pong(), 50);
    try {
      const pouring = pour(here.agent, 48 * MIB);
      await until(
        () => here.gateway.gateway.hub.buffered > HIGH_BYTES,
        10_000,
        "the viewer's buffer to fill",
      );
      const from = here.agent.pings;
      await until(() => here.agent.pings > from + 10, 5_000, "pings for longer than silence is borne");
      expect(here.agent.isClosed).toBe(false);
      only.ws.resume();
      await within(pouring, 20_000, "the agent to go on");
    } finally {
      clearInterval(alive);
    }
  }, 40_000);
});

test("an agent that takes no input makes the typing viewer wait, and gets every byte", async () => {
  await using here = await stage();
  await using viewer = await here.viewer("a");
  await viewer.next("shell_started");
  here.agent.ws.pause();
  const piece = crypto.getRandomValues(new Uint8Array(CHUNK));
  const pieces = 512; // 32 MiB
  for (let i = 0; i < pieces; i += 1) viewer.send(piece);
  const { hub } = here.gateway.gateway;
  await until(() => hub.buffered > HIGH_BYTES, 10_000, "the agent's buffer to fill");
  await settled(() => viewer.ws.bufferedAmount, 10_000, "the viewer to be stopped");
  expect(viewer.ws.bufferedAmount).toBeGreaterThan(MIB);
  expect(hub.buffered).toBeLessThan(8 * MIB);
  here.agent.ws.resume();
  await until(() => here.agent.input("main").length >= pieces * CHUNK, 20_000, "all the input");
  const wanted = Buffer.concat(Array.from({ length: pieces }, () => piece));
  expect(Bun.hash(here.agent.input("main"))).toBe(Bun.hash(wanted));
}, 40_000);

describe("the rules", () => {
  test("an agent is paused only when all are slow, and read again when one has come down", () => {
    const [little, much] = [LOW_BYTES, SKIP_BYTES];
    expect(shouldPause(false, [])).toBe(false);
    expect(shouldPause(true, [])).toBe(false);
    expect(shouldPause(false, [much, HIGH_BYTES])).toBe(false);
    expect(shouldPause(false, [much, HIGH_BYTES + 1])).toBe(true);
    expect(shouldPause(true, [much, LOW_BYTES + 1])).toBe(true);
    expect(shouldPause(true, [much, little])).toBe(false);
  });

  test.each<[ShellState, ShellEvent, ShellState]>([
    ["unknown", "start_sent", "starting"],
    ["running", "start_sent", "running"],
    ["ended", "start_sent", "starting"],
    ["starting", "started", "running"],
    ["unknown", "output", "running"],
    ["ended", "output", "ended"],
    ["running", "stopped", "ended"],
    ["starting", "failed", "ended"],
    ["running", "failed", "running"],
    ["running", "agent_lost", "unknown"],
    ["ended", "agent_lost", "ended"],
  ])("a shell that is %s is after %s %s", (state, event, next) => {
    expect(nextState(state, event)).toBe(next);
  });

  test("the backlog gives one that comes back what it missed, once, and says what is gone", () => {
    const backlog = new Backlog();
    backlog.append("seen");
    backlog.leave("a");
    backlog.append("missed");
    expect(backlog.comeBack("b")).toEqual({ text: "", lost: 0, known: false });
    expect(backlog.comeBack("a")).toEqual({ text: "missed", lost: 0, known: true });
    expect(backlog.comeBack("a").known).toBe(false);
    backlog.leave("a");
    for (let i = 0; i < 100; i += 1) backlog.append("x".repeat(10_000));
    const { text, lost } = backlog.comeBack("a");
    expect(text.length + lost).toBe(1_000_000);
    expect(text.length).toBeWithin(256 * 1024, 256 * 1024 + 10_001);
  });
});
