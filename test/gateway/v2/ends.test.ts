/** The end of a session reaches a viewer that has everything before it, whatever the viewer acknowledges. */
import { expect, test } from "bun:test";
import { Stream } from "../../../src/protocol/v2/frames.ts";
import { v2Stage } from "../../support/v2-stage.ts";

const GRANTED = 1024 * 1024;
const LINE = Buffer.from(`${"x".repeat(100)}\r\n`);

test("a viewer that granted enough hears the end after the output, without another ack", async () => {
  await using here = await v2Stage();
  here.agent.shell("main");
  await using viewer = here.viewer({ session: "main", create: false });
  await viewer.attach();
  await viewer.hears("screen");
  viewer.stalled = true;
  viewer.frame({ kind: "ack", stream: Stream.output, channel: 7, consumed: 0, limit: GRANTED });
  for (let line = 0; line < 100; line += 1) {
    here.agent.shell("main").ring.append(Buffer.from("a line\r\n"));
    here.agent.pump();
  }
  here.agent.end("main", 3);
  const ended = await viewer.hears("ended", 0, 3_000);
  expect(ended.exit_code).toBe(3);
  expect(viewer.received).toBe(800);
}, 20_000);

test("a viewer of a session that has ended hears so after a large screen, without an ack", async () => {
  await using here = await v2Stage({ scrollback: 10_000 });
  const { instance } = here.agent.shell("main");
  await using first = here.viewer({ session: "main", create: false });
  await first.attach();
  for (let line = 0; line < 12_000; line += 1) here.agent.shell("main").ring.append(LINE);
  await here.agent.write("main", "the last words\r\n");
  await first.sees("the last words");
  here.agent.end("main", 3);
  await first.hears("ended");
  await using late = here.viewer();
  await late.connect();
  late.stalled = true;
  late.send({
    type: "attach",
    channel: 9,
    session: "main",
    create: false,
    instance,
    viewer: late.id,
    hold: true,
  });
  const ended = await late.hears("ended", 0, 3_000);
  expect(ended.exit_code).toBe(3);
  expect((await late.hears("screen")).bytes).toBeGreaterThan(GRANTED / 4);
}, 20_000);
