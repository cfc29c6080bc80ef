import { expect, test } from "bun:test";
import { join } from "node:path";
import { type V2Stage, v2Stage } from "../support/v2-stage.ts";
import type { V2Viewer } from "../support/v2-viewer.ts";
import { until, within } from "../support/wait.ts";

const fail = (): never => {
  throw new Error("a planted fault");
};

/** Lines of the log with the fault's stack. */
const faults = (here: V2Stage) =>
  here.gateway.log.filter((line) => /a planted fault.*faults\.test\.ts/s.test(line));

async function isUnharmed(here: V2Stage, viewer: V2Viewer): Promise<void> {
  const typed = here.agent.shell("other").typed.length;
  viewer.type("x");
  await until(() => here.agent.shell("other").typed.length > typed, 5_000, "the input of another viewer");
  expect([here.agent.connections, viewer.closes]).toEqual([1, []]);
}

test("a viewer whose messages cannot be dealt with is closed with a reason; the others go on", async () => {
  await using here = await v2Stage();
  await using other = await here.viewer({ session: "other" }).attach();
  await using viewer = await here.viewer().attach();
  const [, peer] = here.gateway.gateway.hub.room(here.agentId)?.peers ?? [];
  if (!peer) throw new Error("no peer");
  Object.assign(peer, { text: fail });
  viewer.send({ type: "list" });
  await until(() => viewer.closes.length > 0, 5_000, "its end");
  expect(viewer.closes[0]?.code).toBe(1011);
  expect(faults(here)).toHaveLength(1);
  await isUnharmed(here, other);
});

test.each([["frame"], ["control"]])(
  "a session whose %s throws ends for the agent's leg alone",
  async (method) => {
    await using here = await v2Stage();
    await using other = await here.viewer({ session: "other" }).attach();
    const link = here.gateway.gateway.hub.room(here.agentId)?.uplink?.link;
    const heard: string[] = [];
    const good = { frame() {}, control: ({ type }: { type: string }) => void heard.push(type) };
    const channel =
      link?.open({ ...good, [method]: method === "frame" ? fail : failOnce(good.control) }) ?? 0;
    for (let each = 0; each < 3; each += 1) {
      here.agent.frame({ kind: "fin", stream: 1, channel, offset: 0 });
      here.agent.send({ type: "size", channel, cols: 80, rows: 24, by: "x" });
    }
    await until(() => heard.includes("refused"), 5_000, "the word of its end");
    await until(
      () => here.agent.heard.some((message) => message.type === "detach" && message.channel === channel),
      5_000,
      "the agent to be told",
    );
    expect(faults(here)).toHaveLength(1);
    await isUnharmed(here, other);
  },
);

test("a viewer that cannot be served in the tick keeps no other from its turn, and is logged once", async () => {
  await using here = await v2Stage();
  await using other = await here.viewer({ session: "other" }).attach();
  const room = here.gateway.gateway.hub.room(here.agentId);
  const [peer] = room?.peers ?? [];
  let ticks = 0;
  Object.assign(peer ?? {}, {
    drained() {
      ticks += 1;
      fail();
    },
  });
  await using second = await here.viewer().attach();
  await until(() => ticks > 5, 5_000, "the ticks to go on");
  await here.agent.write("main", "still here");
  await second.sees("still here");
  expect(faults(here)).toHaveLength(1);
  await isUnharmed(here, other);
});

test("a program that serves many outlives an error and a rejection that nothing has caught", async () => {
  const folder = join(import.meta.dir, "../../src");
  const script = `
    import { surviveFaults } from ${JSON.stringify(join(folder, "commands/_faults.ts"))};
    import { createLogger } from ${JSON.stringify(join(folder, "lib/log.ts"))};
    surviveFaults(createLogger("info", false, (line) => process.stdout.write(line)));
    const plant = (each) => { throw new Error("planted " + each); };
    for (let each = 0; each < 3; each += 1) setTimeout(() => plant("in a timer"), each);
    queueMicrotask(() => plant("in a microtask"));
    Promise.reject(new Error("planted in a promise"));
    setTimeout(() => { console.log("still here"); process.exit(0); }, 100);
  `;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "pipe" });
  const [out, code] = await within(Promise.all([child.stdout.text(), child.exited]), 10_000, "its end");
  expect([code, out.trimEnd().split("\n").at(-1)]).toEqual([0, "still here"]);
  for (const where of ["timer", "microtask", "promise"])
    expect(out.match(new RegExp(`\\[error\\].*planted in a ${where}`, "g"))).toHaveLength(1);
});

/** Throws at the first call. */
function failOnce<T>(then: (value: T) => void): (value: T) => void {
  let isFirst = true;
  return (value) => {
    if (!isFirst) return then(value);
    isFirst = false;
    fail();
  };
}

test.each([[0], [1]])(
  "a screen with %i lines of scrollback that is resized while lines wrap is still shown",
  async (scrollback) => {
    await using here = await v2Stage({ scrollback });
    await using other = await here.viewer({ session: "other" }).attach();
    await using first = await here.viewer({ cols: 20, rows: 5 }).attach();
    for (const cols of [5, 40, 3, 20]) {
      await here.agent.write("main", `${"w".repeat(90)}\r\n${"x".repeat(33)}\r\n`);
      first.send({ type: "resize", channel: 0, cols, rows: cols === 3 ? 2 : 6 });
    }
    await here.agent.write("main", "\r\nlast\r\n");
    await using late = await here.viewer().attach();
    await until(() => late.screens.length > 0, 10_000, "the screen");
    await isUnharmed(here, other);
  },
);
