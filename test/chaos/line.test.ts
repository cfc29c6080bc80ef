/** What a dead, a slow and a missing line do to those at both ends of it, with everything as it ships. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { until } from "../support/wait.ts";
import { type ChaosOptions, ChaosWorld, writePayload } from "./world.ts";

const MB = 1_000_000;
const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

async function start(options: ChaosOptions = {}): Promise<ChaosWorld> {
  const world = await ChaosWorld.start(options);
  open.push(world);
  return world;
}

describe("a dead line", () => {
  test("is noticed within 10 s at the agent, at the gateway on both sides, and by the person", async () => {
    const world = await start();
    const terminal = world.terminal(["connect", "box"]);
    open.push(terminal);
    await terminal.see(/[$#] $/);
    const log = (name: "agent" | "gateway") => readFileSync(world.stack.logs[name], "utf8");
    const before = { agent: log("agent").length, gateway: log("gateway").length };
    world.agentLeg.vanish();
    world.viewerLeg.vanish();
    const vanished = performance.now();
    const noticed = async (what: string, fn: () => unknown) => {
      await until(() => Boolean(fn()), 12_000, what);
      return { what, ms: performance.now() - vanished };
    };
    const all = await Promise.all([
      noticed("the agent to give up its line", () => /said nothing/.test(log("agent").slice(before.agent))),
      noticed("the gateway to give up the agent", () =>
        /agent box .*disconnected/.test(log("gateway").slice(before.gateway)),
      ),
      noticed("the gateway to give up the viewer", () =>
        /viewer of box .*disconnected/.test(log("gateway").slice(before.gateway)),
      ),
    ]);
    console.log(all.map(({ what, ms }) => `${what}: ${(ms / 1000).toFixed(1)} s`).join("\n"));
    for (const { ms } of all) expect(ms).toBeLessThan(10_000);
    // New connections pass: everybody is back by themselves.
    await terminal.type("echo back-$((20+22))\r");
    await terminal.see("back-42", 15_000);
  }, 60_000);

  test("that is back after 5 s: the screen is what it would be, within a second", async () => {
    const world = await start({ deadAfter: "2s" });
    const terminal = world.terminal(["connect", "box"]);
    open.push(terminal);
    await terminal.see(/[$#] $/);
    await terminal.type("i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo tick-$i.; sleep 0.02; done\r");
    await terminal.see("tick-20.");
    for (const leg of [world.viewerLeg, world.agentLeg]) {
      await leg.refuse();
      await Bun.sleep(5_000); // how long it is gone is the point
      // What the shell has printed meanwhile shows how far it is.
      const due = Math.max(...[...terminal.shown.matchAll(/tick-(\d+)\./g)].map(([, n]) => Number(n))) + 100;
      await leg.listen();
      const back = performance.now();
      await until(() => terminal.shown.includes(`tick-${due}.`), 10_000, `tick-${due}`);
      const ms = performance.now() - back;
      console.log(`caught up ${ms.toFixed(0)} ms after the line was back`);
      expect(ms).toBeLessThan(2_000);
    }
    const ticks = [...terminal.shown.matchAll(/tick-(\d+)\.\r/g)].map(([, n]) => Number(n));
    expect(ticks).toEqual(Array.from(ticks, (_, index) => index + 1));
  }, 60_000);
});

describe("several viewers", () => {
  test("one that takes nothing delays nobody: the fast one has every byte, the other a fresh screen", async () => {
    const world = await start();
    const sum = writePayload(world.path("flood"), 30 * MB, 5);
    const fast = world.viewer({ keeps: false, session: "flood" });
    const slow = world.viewer({ session: "flood" });
    open.push(fast, slow);
    await fast.attach();
    await slow.attach();
    await until(() => fast.received > 0, 10_000, "a prompt");
    const script = world.path("flood.sh");
    writeFileSync(
      script,
      `stty raw -echo; sleep 0.5; cat ${world.path("flood")}; sha256sum ${world.path("flood")}; sleep 60\n`,
    );
    slow.stalled = true;
    const before = fast.received;
    fast.type(`exec sh ${script}\r`);
    const begun = performance.now();
    await until(() => fast.received > before + 30 * MB, 30_000, "the flood at the fast viewer");
    console.log(`30 MB beside a stalled viewer in ${(performance.now() - begun).toFixed(0)} ms`);
    expect(sum).toHaveLength(64);
    expect(fast.screens).toHaveLength(fast.screens.length === 0 ? 0 : 1);
    expect(fast.skipped).toBe(0);
    expect(slow.received).toBeLessThan(4 * MB);
    expect(slow.isOpen).toBe(true);
    const screens = slow.screens.length;
    slow.stalled = false;
    slow.ack();
    await until(() => slow.screens.length > screens, 10_000, "a fresh screen");
    const fresh = () => slow.screens.at(-1);
    expect(fresh()?.skipped).toBeGreaterThan(20 * MB);
    await until(() => slow.next === fast.next, 10_000, "the slow one to be where the fast one is");
    // The end of the flood, and what came after it.
    await until(() => `${fresh()?.data}${slow.text}`.includes(sum), 10_000, "the flood's sum");
    expect(slow.closes).toEqual([]);
  }, 90_000);
});

describe("nobody there", () => {
  test("who leaves lets the shell run freely, and finds its last lines when they are back", async () => {
    const world = await start();
    const terminal = world.terminal(["connect", "box"]);
    open.push(terminal);
    await terminal.see(/[$#] $/);
    const done = world.path("done");
    await terminal.type(`(sleep 1; seq 3000000; echo last-$((6*7)); touch ${done})\r`);
    await terminal.type("\x1d");
    await terminal.exit();
    const left = performance.now();
    await until(() => existsSync(done), 30_000, "23 MB to be printed with nobody there");
    console.log(`23 MB with nobody there: ${(performance.now() - left).toFixed(0)} ms, of which 1000 asleep`);
    const again = world.terminal(["connect", "box"]);
    open.push(again);
    await again.see("last-42");
  }, 60_000);

  test("who was cut off finds every byte: the shell waits for them", async () => {
    const world = await start({ deadAfter: "2s" });
    const sum = writePayload(world.path("flood"), 20 * MB, 6);
    const done = world.path("done");
    const viewer = world.viewer({ session: "held" });
    open.push(viewer);
    await viewer.attach();
    await until(() => /[$#] $/.test(viewer.text), 10_000, "a prompt");
    const script = world.path("held.sh");
    writeFileSync(
      script,
      `stty raw -echo; printf READY; cat ${world.path("flood")}; touch ${done}; sleep 60\n`,
    );
    viewer.type(`exec sh ${script}\r`);
    await viewer.sees("READY");
    viewer.drop();
    await Bun.sleep(4_000); // long enough for 20 MB, many times over
    expect(existsSync(done)).toBe(false);
    await viewer.attach();
    await until(() => existsSync(done), 20_000, "the program to go on");
    const bytes = () => Buffer.concat(viewer.pieces);
    const from = bytes().indexOf("READY") + 5;
    await until(() => viewer.received - from >= 20 * MB, 20_000, "all of it");
    const hash = new Bun.CryptoHasher("sha256").update(bytes().subarray(from, from + 20 * MB)).digest("hex");
    expect(hash).toBe(sum);
    expect(viewer.skipped).toBe(0);
  }, 60_000);
});

describe("the gateway killed -9", () => {
  test("its successor finds every shell as it was, and so does whoever looks", async () => {
    const world = await start();
    const names = ["one", "two", "three"];
    const terminals = names.map((name) => world.terminal(["connect", "box", "--session", name]));
    open.push(...terminals);
    const pids = await Promise.all(
      terminals.map(async (terminal, index) => {
        await terminal.see(/[$#] $/);
        await terminal.type(`kept=${names[index]}-kept; echo pid:$$:\r`);
        return (await terminal.see(/pid:(\d+):/))[1];
      }),
    );
    await world.stack.stopGateway("SIGKILL");
    // Typed while there is no gateway: it is not lost, and it arrives once.
    for (const terminal of terminals) await terminal.type("echo $kept:$$:\r");
    await world.stack.startGateway();
    for (const [index, terminal] of terminals.entries()) {
      await terminal.see(`${names[index]}-kept:${pids[index]}:`, 20_000);
    }
    const listed = (await world.rexec(["sessions", "box", "--json"])).stdout.toString();
    for (const name of names) expect(listed).toContain(`"${name}"`);
    for (const terminal of terminals) {
      expect(terminal.shown.match(/-kept:\d+:/g)).toHaveLength(1);
    }
  }, 60_000);
});

describe("a slow line", () => {
  test.each(["yes", "base64 /dev/urandom"])(
    "Ctrl-C in %s is answered within 1.5 s by 100 KB/s on either leg",
    async (flood) => {
      const world = await start({ proxies: { narrow: true } });
      for (const leg of [world.viewerLeg, world.agentLeg]) {
        const terminal = world.terminal(["connect", "box", "--new"]);
        open.push(terminal);
        await terminal.see(/[$#] $/);
        leg.throttle(100_000);
        const before = leg.passed;
        await terminal.type(`${flood}\r`);
        await until(() => leg.passed > before + 200_000, 30_000, "the line to be full for two seconds");
        const start = performance.now();
        await terminal.type("\x03");
        await until(() => /\^C\s*\S*[$#] $/.test(terminal.shown.slice(-200)), 30_000, "a prompt");
        const ms = performance.now() - start;
        console.log(
          `${flood}: Ctrl-C to prompt at 100 KB/s on the ${leg === world.viewerLeg ? "viewer's" : "agent's"} leg: ${ms.toFixed(0)} ms`,
        );
        expect(ms).toBeLessThan(1_500);
        leg.throttle(0);
      }
    },
    90_000,
  );
});
