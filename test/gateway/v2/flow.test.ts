import { describe, expect, test } from "bun:test";
import { RingBudget } from "../../../src/gateway/sessions/ring-budget.ts";
import { v2Stage } from "../../support/v2-stage.ts";
import { settled, until, within } from "../../support/wait.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Lines, so that a screen can be made of them. */
function lines(bytes: number): Buffer {
  const line = Buffer.from(`${"0123456789 ".repeat(7)}\r\n`);
  return Buffer.alloc(bytes, line);
}

function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

describe("several viewers", () => {
  test("a stalled one beside a fast one costs the fast one nothing, and gets a fresh screen", async () => {
    await using here = await v2Stage();
    await using fast = here.viewer({ keeps: false });
    await using slow = here.viewer({ keeps: false });
    await Promise.all([fast.attach(), slow.attach()]);
    await here.agent.write("main", "begin\r\n");
    await until(() => slow.received === 7, 2_000, "the first line");
    slow.stalled = true;
    const all = lines(64 * MIB);
    Bun.gc(true);
    const before = process.memoryUsage.rss();
    const writing = here.agent.write("main", all);
    await within(writing, 20_000, "the program to be rid of its output");
    await until(() => fast.received === all.length + 7, 10_000, "the fast viewer to have all of it");
    expect([fast.skipped, fast.screens.length]).toEqual([0, 0]);
    // Agent, gateway and viewers are this one process.
    expect(process.memoryUsage.rss() - before).toBeLessThan(150 * MIB);
    expect(fast.hash.digest("hex")).toBe(sha256(Buffer.concat([Buffer.from("begin\r\n"), all])));
    slow.stalled = false;
    await until(() => slow.screens.length > 0, 5_000, "a fresh screen");
    await here.agent.write("main", "the end");
    await until(() => slow.next === all.length + 14, 5_000, "the slow viewer to be with the rest again");
    expect(slow.received + slow.skipped).toBe(all.length + 14);
    expect(slow.skipped).toBeGreaterThan(32 * MIB);
    expect(slow.connections).toBe(1);
  }, 60_000);

  test("one whose socket is not read does not delay the other", async () => {
    await using here = await v2Stage();
    await using fast = here.viewer({ keeps: false });
    await using deaf = here.viewer({ keeps: false });
    await Promise.all([fast.attach(), deaf.attach()]);
    deaf.ws?.pause();
    await within(here.agent.write("main", lines(32 * MIB)), 20_000, "the output to be written");
    await until(() => fast.received === 32 * MIB, 10_000, "the fast viewer to have all of it");
    expect(here.gateway.gateway.hub.buffered).toBeLessThan(2 * MIB);
    deaf.ws?.resume();
  }, 40_000);

  test("the only one that stalls makes the program wait, and memory stays flat", async () => {
    await using here = await v2Stage();
    await using only = here.viewer({ keeps: false });
    await only.attach();
    only.stalled = true;
    const shell = here.agent.shell("main");
    const all = lines(8 * MIB);
    const writing = here.agent.write("main", all);
    await settled(() => shell.ring.end, 5_000, "the program to wait");
    expect(shell.ring.end).toBeLessThanOrEqual(1.1 * MIB);
    expect(only.skipped).toBe(0);
    only.stalled = false;
    only.ack();
    await within(writing, 10_000, "the program to go on");
    await until(() => only.received === all.length, 5_000, "all of it");
    expect(only.hash.digest("hex")).toBe(sha256(all));
  }, 30_000);

  test("the agent's credit is that of the fastest", async () => {
    await using here = await v2Stage();
    await using fast = here.viewer({ keeps: false });
    await using slow = here.viewer({ keeps: false });
    await Promise.all([fast.attach(), slow.attach()]);
    slow.stalled = true;
    await here.agent.write("main", lines(4 * MIB));
    await until(() => fast.received === 4 * MIB, 5_000, "the output");
    await until(() => here.agent.readers("main")[0]?.consumed === 4 * MIB, 2_000, "the ack of the fastest");
    expect(here.agent.readers("main")).toHaveLength(1);
    expect(here.agent.readers("main")[0]?.limit).toBeGreaterThan(4 * MIB);
  });

  test("one without a say in the pace is skipped, and holds nobody", async () => {
    await using here = await v2Stage();
    await using watcher = here.viewer({ hold: false, keeps: false });
    await watcher.attach();
    await until(() => here.agent.readers("main")[0]?.hold === false, 2_000, "the agent to be told");
    watcher.stalled = true;
    await within(here.agent.write("main", lines(8 * MIB)), 5_000, "the output to be written");
  });
});

describe("nobody attached", () => {
  test("the program runs on, and the line is spared", async () => {
    await using here = await v2Stage();
    const viewer = here.viewer();
    await viewer.attach();
    viewer.detach();
    await here.agent.hears(({ type, hold }) => type === "hold" && hold === false, "hold: false");
    await viewer[Symbol.asyncDispose]();
    const started = performance.now();
    await within(here.agent.write("main", lines(32 * MIB)), 5_000, "the output to be written");
    await Bun.sleep(1_000);
    const seconds = (performance.now() - started) / 1000;
    const sent = here.agent.dataBytes;
    expect(sent).toBeLessThan((seconds + 0.5) * 256 * KIB);
    expect(sent).toBeGreaterThan(128 * KIB);
    await using next = here.viewer();
    await next.attach();
    await until(() => next.screens.length > 0, 5_000, "a screen");
    await here.agent.write("main", "now");
    await next.sees("now");
  }, 20_000);

  test("one that dropped off is waited for during the hold time, and gets every byte", async () => {
    await using here = await v2Stage({ timings: { viewerGraceMs: 1_000, tickMs: 20 } });
    await using viewer = here.viewer({ keeps: false });
    await viewer.attach();
    await here.agent.write("main", lines(MIB));
    await until(() => viewer.received === MIB, 5_000, "some output");
    viewer.drop();
    const writing = here.agent.write("main", lines(8 * MIB));
    await Bun.sleep(300);
    expect(here.agent.shell("main").ring.end).toBeLessThan(3 * MIB);
    await viewer.attach();
    await within(writing, 10_000, "the rest to be written");
    await until(() => viewer.received === 9 * MIB, 5_000, "all of it");
    expect([viewer.skipped, viewer.screens.length]).toEqual([0, 0]);
    viewer.drop();
    await within(
      here.agent.write("main", lines(8 * MIB)),
      5_000,
      "the program to run on after the hold time",
    );
  }, 30_000);
});

describe("memory", () => {
  test("of all rings together is shared out, and the longest unwatched goes first", () => {
    const budget = new RingBudget(8 * MIB);
    const owners = Array.from({ length: 6 }, (_, index) => {
      const owner = {
        isWatched: index > 1,
        watchedAt: index === 0 ? 20 : 10,
        capacity: 0,
        forgotten: false,
        setCapacity(bytes: number) {
          owner.capacity = bytes;
        },
        forget() {
          owner.forgotten = true;
          budget.remove(owner);
        },
      };
      return owner;
    });
    for (const owner of owners.slice(0, 5)) budget.add(owner);
    expect(owners.map(({ forgotten }) => forgotten)).toEqual([false, true, false, false, false, false]);
    for (const owner of owners.slice(5)) budget.add(owner);
    expect(owners.map(({ forgotten }) => forgotten)).toEqual([true, true, false, false, false, false]);
    expect(budget.share).toBe(2 * MIB);
    const more = owners.slice(2, 6).map((owner) => ({ ...owner, isWatched: true }));
    for (const owner of more) budget.add({ ...owner, setCapacity() {}, forget() {} });
    expect(budget.share).toBe(MIB);
    expect(owners[5]?.capacity).toBe(MIB);
  });

  test("of a small budget still carries a flood exactly to the fastest", async () => {
    await using here = await v2Stage({ ringBudget: 256 * KIB });
    await using viewer = here.viewer({ keeps: false });
    await viewer.attach();
    const all = lines(16 * MIB);
    await within(here.agent.write("main", all), 20_000, "the output to be written");
    await until(() => viewer.received === all.length, 10_000, "all of it");
    expect(viewer.hash.digest("hex")).toBe(sha256(all));
    expect(viewer.skipped).toBe(0);
  }, 30_000);
});

describe("a flood", () => {
  test("that began before anybody was attached is shown from where it is now", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer({ keeps: false });
    here.agent.onAttach = (shell) => {
      if (shell.ring.end === 0) for (let piece = 0; piece < 64; piece += 1) shell.ring.append(lines(MIB));
    };
    await viewer.attach();
    await until(() => viewer.screens.length > 0 || viewer.received > 0, 5_000, "anything");
    await within(here.agent.write("main", lines(4 * MIB)), 5_000, "the program to go on");
    await until(() => viewer.next === 68 * MIB, 5_000, "the viewer to have come to its end");
  }, 20_000);

  test("at full speed does not keep a new viewer from its screen", async () => {
    await using here = await v2Stage();
    await using fast = here.viewer({ keeps: false });
    await fast.attach();
    let flooding = true;
    const flood = (async () => {
      while (flooding) await here.agent.write("main", lines(MIB));
    })();
    await until(() => fast.received > 4 * MIB, 5_000, "the flood");
    for (let round = 0; round < 3; round += 1) {
      await using late = here.viewer({ keeps: false });
      await late.attach();
      await until(() => late.screens[0]?.data.length, 2_000, "a screen");
    }
    flooding = false;
    await flood;
    await until(
      () => fast.received === here.agent.shell("main").ring.end,
      5_000,
      "the fast viewer to have all",
    );
    expect(fast.skipped).toBe(0);
  }, 20_000);
});
