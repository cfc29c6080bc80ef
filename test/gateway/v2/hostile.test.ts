import { describe, expect, test } from "bun:test";
import type { OwnerInput } from "../../../src/protocol/v2/control.ts";
import { encodeFrame, type Frame, MAX_OFFSET } from "../../../src/protocol/v2/frames.ts";
import { ScreenPool } from "../../../src/screen/pool.ts";
import { Screen } from "../../../src/screen/screen.ts";
import { ByteRing } from "../../../src/stream/byte-ring.ts";
import { type V2Stage, v2Stage } from "../../support/v2-stage.ts";
import type { V2Viewer } from "../../support/v2-viewer.ts";
import { until } from "../../support/wait.ts";

const CHANNEL = 3;

/** Somebody else, at the same agent: what others break must not reach them. */
async function bystander(here: V2Stage): Promise<V2Viewer> {
  const viewer = here.viewer({ session: "other" });
  return viewer.attach();
}

async function isUnharmed(here: V2Stage, viewer: V2Viewer): Promise<void> {
  viewer.type("x");
  const typed = here.agent.shell("other").typed.length;
  await until(() => here.agent.shell("other").typed.length > typed, 5_000, "their input");
  expect(here.agent.connections).toBe(1);
  expect(viewer.closes).toEqual([]);
}

describe("a viewer that breaks the rules of a command's channel", () => {
  const stdin = { stream: 0, channel: CHANNEL } as const;
  const bytes = new Uint8Array(10);
  const breaches: [string, Frame][] = [
    ["more consumed than was sent", { kind: "ack", stream: 1, channel: CHANNEL, consumed: 6, limit: 99 }],
    ["compressed stdin", { ...stdin, kind: "zstd", offset: 0, length: 10, bytes }],
    ["stdin with a hole", { ...stdin, kind: "data", offset: 1, bytes }],
    ["an end of stdin that is not there yet", { ...stdin, kind: "fin", offset: 1 }],
  ];

  test.each(breaches)("loses its own connection, and nobody else theirs: %s", async (_, breach) => {
    await using here = await v2Stage();
    await using other = await bystander(here);
    await using viewer = here.viewer();
    await viewer.connect();
    viewer.send({ type: "run", channel: CHANNEL, run: "run-1", command: "make" });
    const { channel } = await until(() => here.agent.commands[0] ?? null, 5_000, "the command");
    const info = { ...here.agent.shell("unused").info, kind: "run" as const };
    here.agent.send({ type: "attached", channel, info, starts: [0, 0], input: 0, created: true });
    here.agent.frame({ kind: "data", stream: 1, channel, offset: 0, bytes: Buffer.from("bytes") });
    await viewer.hears("attached");
    viewer.frame({ kind: "ack", stream: 1, channel: CHANNEL, consumed: 5, limit: 99 });
    viewer.frame(breach);
    await until(() => viewer.closes.length > 0, 5_000, "its end");
    expect(viewer.closes[0]?.code).toBe(1002);
    expect(here.agent.commands[0]?.frames.map(({ kind }) => kind)).toEqual(["ack"]);
    await isUnharmed(here, other);
  });
});

describe("a viewer that asks for too much", () => {
  test("is refused what goes beyond its rate, and the agent hears nothing of it", async () => {
    await using here = await v2Stage();
    await using other = await bystander(here);
    await using viewer = here.viewer();
    await viewer.connect();
    for (let each = 0; each < 3_000; each += 1) viewer.send({ type: "kill", session: "none" });
    expect(await viewer.hears("refused")).toMatchObject({ message: "too many requests" });
    await until(() => here.agent.heard.length > 250, 5_000, "what was within it");
    const kills = () => here.agent.heard.filter(({ type }) => type === "kill").length;
    const refused = () =>
      viewer.messages.filter((each) => each.type === "refused" && each.message === "too many requests")
        .length;
    await until(() => kills() + refused() === 3_000, 5_000, "each to be let through or refused");
    expect(kills()).toBeLessThan(400);
    await isUnharmed(here, other);
  });

  test("has 64 channels", async () => {
    await using here = await v2Stage();
    here.agent.shell("main");
    await using viewer = here.viewer();
    await viewer.connect();
    for (let channel = 100; channel < 165; channel += 1)
      viewer.send({ type: "attach", channel, session: "main", viewer: viewer.id });
    expect(await viewer.hears("refused")).toMatchObject({ channel: 164, code: "too_many_channels" });
  });

  test("is let go after a thousand messages that make no sense", async () => {
    await using here = await v2Stage();
    await using other = await bystander(here);
    await using viewer = here.viewer();
    await viewer.connect();
    for (let each = 0; each < 1_001; each += 1) viewer.ws?.send('{"type":"attach"}');
    await until(() => viewer.closes.length > 0, 5_000, "its end");
    expect(viewer.closes[0]?.code).toBe(1008);
    await isUnharmed(here, other);
  });

  test("and reads none of it is let go before that has cost much memory", async () => {
    await using here = await v2Stage();
    await using other = await bystander(here);
    await using viewer = here.viewer();
    await viewer.connect();
    viewer.send({ type: "run", channel: CHANNEL, run: "run-1", command: "yes" });
    const { channel } = await until(() => here.agent.commands[0] ?? null, 5_000, "the command");
    const info = { ...here.agent.shell("unused").info, kind: "run" as const };
    here.agent.send({ type: "attached", channel, info, starts: [0, 0], input: 0, created: true });
    await viewer.hears("attached");
    viewer.ws?.pause();
    const bytes = new Uint8Array(64 * 1024);
    for (let offset = 0; offset < 64 * 1024 * 1024; offset += bytes.length) {
      here.agent.frame({ kind: "data", stream: 1, channel, offset, bytes });
      while (here.agent.buffered > 1024 * 1024) await Bun.sleep(1);
    }
    viewer.ws?.resume();
    await until(() => viewer.closes.length > 0, 10_000, "its end");
    await isUnharmed(here, other);
  }, 30_000);
});

describe("a terminal of 65,535 columns and rows", () => {
  test("is drawn no larger than the memory of all allows", async () => {
    const ring = new ByteRing(1024 * 1024);
    const pool = new ScreenPool();
    const screen = new Screen(ring, { cols: 80, rows: 24 }, 1000, pool);
    screen.resize({ cols: 65_535, rows: 65_535 });
    ring.append(Buffer.from("text"));
    await screen.catchUp(ring.end);
    expect(await screen.snapshot()).toMatchObject({ cols: 1_000, rows: 500 });
    screen.dispose();
    pool.stop();
  });
});

describe("an agent that sends nonsense", () => {
  const gap = encodeFrame({ kind: "gap", stream: 1, channel: 1, from: 0, to: MAX_OFFSET });
  const cases: [string, (channel: number) => Uint8Array<ArrayBuffer>][] = [
    ["a jump", (channel) => encodeFrame({ kind: "data", stream: 1, channel, offset: 9, bytes: gap })],
    [
      "what is no zstd",
      (channel) => encodeFrame({ kind: "zstd", stream: 1, channel, offset: 0, length: 9, bytes: gap }),
    ],
    [
      "what is larger than it says",
      (channel) => {
        const bytes = Bun.zstdCompressSync(new Uint8Array(20_000_000));
        return encodeFrame({ kind: "zstd", stream: 1, channel, offset: 0, length: 9, bytes });
      },
    ],
    [
      "an offset past the largest",
      (channel) => encodeFrame({ kind: "gap", stream: 1, channel, from: 0, to: Number.MAX_SAFE_INTEGER }),
    ],
  ];

  test.each(cases)("is closed with 1002, and other agents go on: %s", async (_, frame) => {
    await using here = await v2Stage();
    await using viewer = here.viewer();
    await viewer.attach();
    const [reader] = here.agent.outputChannels("main");
    here.agent.raw(frame(reader ?? 0));
    await until(() => here.agent.closes.length > 0, 5_000, "its end");
    expect(here.agent.closes[0]?.code).toBe(1002);
    expect((await fetch(`${here.gateway.url}/health`)).ok).toBe(true);
  });

  test("is believed the largest offsets without a number that cannot travel", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer();
    await viewer.attach();
    here.agent.shell("main").ring.restart(MAX_OFFSET);
    here.agent.pump();
    await until(() => here.agent.acks.some(({ limit }) => limit > MAX_OFFSET), 5_000, "an ack of them");
    await using second = here.viewer();
    await second.attach();
    expect(here.agent.closes).toEqual([]);
  });

  test("sizes that are none are refused", async () => {
    await using here = await v2Stage();
    here.agent.shell("main").cols = -5;
    await using viewer = here.viewer();
    await viewer.connect();
    viewer.send({
      type: "attach",
      channel: CHANNEL,
      session: "main",
      viewer: viewer.id,
    } satisfies object as never);
    await Bun.sleep(200);
    expect(viewer.messages.some((message: OwnerInput) => message.type === "attached")).toBe(false);
  });
});
