import { describe, expect, test } from "bun:test";
import type { OwnerMessage } from "../../../src/protocol/v2/control.ts";
import { type Frame, Stream } from "../../../src/protocol/v2/frames.ts";
import type { V2Command } from "../../support/v2-agent.ts";
import { type V2Stage, v2Stage } from "../../support/v2-stage.ts";
import type { V2Viewer } from "../../support/v2-viewer.ts";
import { until } from "../../support/wait.ts";

const CHANNEL = 3;

/** Asks for a command as the CLI does; `frames` are what came back. */
async function ask(here: V2Stage, viewer: V2Viewer, resume = false, run = "run-1") {
  const frames: Frame[] = [];
  viewer.onFrame = (frame) => {
    if (frame.channel === CHANNEL)
      frames.push(frame.kind === "data" ? { ...frame, bytes: frame.bytes.slice() } : frame);
  };
  const known = here.agent.commands.length;
  viewer.send({ type: "run", channel: CHANNEL, run, command: "make", cursors: [0, 0], resume });
  const command = await until(() => here.agent.commands[known] ?? null, 5_000, "the command");
  return { frames, command };
}

function attached(here: V2Stage, { channel }: V2Command): void {
  const info = { ...here.agent.shell("unused").info, kind: "run" as const };
  here.agent.send({ type: "attached", channel, info, starts: [0, 0], input: 0, created: true });
}

const last = (viewer: V2Viewer, type: OwnerMessage["type"]) =>
  viewer.messages.findLast((message) => message.type === type);

describe("a command", () => {
  test("is handed on under other numbers, both ways, with its signals and its end", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer();
    await viewer.connect();
    const { command, frames } = await ask(here, viewer);
    expect(command.run).toMatchObject({ run: "run-1", command: "make", resume: false });
    attached(here, command);
    expect(await viewer.hears("attached")).toMatchObject({ channel: CHANNEL, starts: [0, 0] });
    const { channel } = command;
    const bytes = Buffer.from("out");
    here.agent.frame({ kind: "data", stream: Stream.output, channel, offset: 0, bytes });
    here.agent.frame({ kind: "data", stream: Stream.stderr, channel, offset: 0, bytes: Buffer.from("err") });
    here.agent.frame({ kind: "gap", stream: Stream.output, channel, from: 3, to: 9 });
    await until(() => frames.length === 3, 2_000, "the frames");
    expect(frames.map(({ kind, stream }) => [kind, stream])).toEqual([
      ["data", 1],
      ["data", 2],
      ["gap", 1],
    ]);
    viewer.frame({
      kind: "data",
      stream: Stream.input,
      channel: CHANNEL,
      offset: 0,
      bytes: Buffer.from("in"),
    });
    viewer.frame({ kind: "fin", stream: Stream.input, channel: CHANNEL, offset: 2 });
    viewer.frame({ kind: "ack", stream: Stream.stderr, channel: CHANNEL, consumed: 3, limit: 99 });
    viewer.send({ type: "signal", channel: CHANNEL, signal: "SIGINT" });
    await until(
      () => command.frames.length === 3 && command.controls.length === 1,
      2_000,
      "what the viewer sent",
    );
    expect(command.frames.map(({ kind }) => kind)).toEqual(["data", "fin", "ack"]);
    expect(command.controls[0]).toMatchObject({ type: "signal", signal: "SIGINT" });
    here.agent.send({ type: "ended", channel, exit_code: 2, signal: null, timed_out: true });
    expect(await viewer.hears("ended")).toMatchObject({ channel: CHANNEL, exit_code: 2, timed_out: true });
    // The number is free again.
    const again = await ask(here, viewer, false, "run-2");
    expect(again.command.channel).not.toBe(channel);
  });

  test("is told lost when the agent is, and asked for again when it is back", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer();
    await viewer.connect();
    const { command } = await ask(here, viewer);
    attached(here, command);
    await viewer.hears("attached");
    here.agent.drop();
    expect(await viewer.hears("refused")).toMatchObject({ channel: CHANNEL, code: "lost" });
    // Asked for while the agent is away: the same answer.
    const from = viewer.messages.length;
    viewer.send({ type: "run", channel: CHANNEL, run: "run-1", command: "make", resume: true });
    expect(await viewer.hears("refused", from)).toMatchObject({ code: "lost" });
    await here.agent.connect();
    await until(() => last(viewer, "agent_status"), 2_000, "the agent's return");
    const { command: second } = await ask(here, viewer, true);
    expect(second.run.resume).toBe(true);
  });

  test("whose viewer drops off is neither detached nor told; after the hold time it is", async () => {
    await using here = await v2Stage({ timings: { viewerGraceMs: 300, tickMs: 20 } });
    await using viewer = here.viewer();
    await viewer.connect();
    const { command } = await ask(here, viewer);
    attached(here, command);
    await viewer.hears("attached");
    viewer.drop();
    await Bun.sleep(150);
    expect(command.controls).toEqual([]);
    await viewer.connect();
    const { command: second } = await ask(here, viewer, true);
    await Bun.sleep(400);
    expect([command.controls, second.controls]).toEqual([[], []]);
    viewer.drop();
    await until(() => second.controls.length === 1, 2_000, "the agent to be told");
    expect(second.controls[0]).toMatchObject({ type: "detach" });
  });

  test("that the viewer leaves on purpose is detached at once", async () => {
    await using here = await v2Stage();
    await using viewer = here.viewer();
    await viewer.connect();
    const { command } = await ask(here, viewer);
    attached(here, command);
    viewer.send({ type: "detach", channel: CHANNEL });
    await until(() => command.controls.some(({ type }) => type === "detach"), 2_000, "the detach");
  });

  test("of a viewer that stalls harms no other; what waits for it is no more than its window", async () => {
    await using here = await v2Stage();
    await using stalled = here.viewer();
    await using other = here.viewer();
    await Promise.all([stalled.connect(), other.attach()]);
    const { command } = await ask(here, stalled);
    attached(here, command);
    await stalled.hears("attached");
    stalled.ws?.pause();
    const bytes = new Uint8Array(64 * 1024);
    // As much as the largest window allows.
    for (let offset = 0; offset < 1024 * 1024; offset += bytes.length)
      here.agent.frame({ kind: "data", stream: Stream.output, channel: command.channel, offset, bytes });
    await here.agent.write("main", "prompt $ ");
    await other.sees("prompt $ ");
    expect(here.gateway.gateway.hub.buffered).toBeLessThanOrEqual(1.1 * 1024 * 1024);
    stalled.ws?.resume();
  });
});
