/** Commands, and what v1 agents and v1 viewers do, are recorded as well. */
import { expect, test } from "bun:test";
import { eventsIn } from "../../../src/protocol/cast.ts";
import { segmentBody } from "../../../src/protocol/http-recordings.ts";
import { startGateway } from "../../support/gateway.ts";
import { outputOf, recordingStage } from "../../support/recording-stage.ts";
import { V1Agent } from "../../support/v1-agent.ts";
import { V1Viewer } from "../../support/v1-viewer.ts";
import { until } from "../../support/wait.ts";

test("a command's stdout, stderr and exit are recorded, and play with the lines of a terminal", async () => {
  await using stage = await recordingStage();
  await stage.policy("always", true);
  await using viewer = await stage.viewer().connect();
  const run = crypto.randomUUID();
  const command = "cat; seq 1 50000; echo größer >&2; exit 7";
  viewer.send({ type: "run", channel: 3, run, command, zstd: true });
  const acks = setInterval(() => {
    for (const stream of [1, 2] as const) {
      viewer.frame({ kind: "ack", stream, channel: 3, consumed: 0, limit: 8 * 1024 * 1024 });
    }
  }, 20);
  try {
    expect((await viewer.hears("attached")).recorded).toBe(true);
    viewer.frame({ kind: "data", stream: 0, channel: 3, offset: 0, bytes: Buffer.from("from stdin\n") });
    viewer.frame({ kind: "fin", stream: 0, channel: 3, offset: 11 });
    const recording = await stage.recording("complete");
    expect(recording).toMatchObject({ kind: "run", exit_code: 7, session: run, command, cut: null });
    const cast = await stage.cast(recording.id);
    const lines = Array.from({ length: 50_000 }, (_, n) => `${n + 1}\n`).join("");
    expect(outputOf(cast)).toBe(`from stdin\n${lines}`);
    expect(outputOf(cast, "e")).toBe("größer\n");
    expect(outputOf(cast, "i")).toBe("from stdin\n");
    expect(eventsIn(cast).at(-1)?.slice(1)).toEqual(["x", "7"]);
    const { json } = await stage.gateway.api("GET", `/api/recordings/${recording.id}/segments/0.json`);
    const shown = segmentBody.parse(json).events.map(([, , data]) => data);
    expect(shown.join("")).toContain("größer\r\n");
    expect(shown.join("")).toContain("49999\r\n50000\r\n");
  } finally {
    clearInterval(acks);
  }
});

test("a shell of an agent that speaks v1 is recorded, and its viewer reads that it is", async () => {
  await using gateway = await startGateway({ timings: { tickMs: 20 } });
  await gateway.api("PUT", "/api/recording-policies", { kind: "all", mode: "always", input: true });
  const registered = await gateway.register();
  await using agent = await V1Agent.connect(gateway, registered);
  await using viewer = await V1Viewer.connect(gateway, registered.id, "one");
  await viewer.sees("this session is recorded");
  const half = Buffer.from("größer 漢字\r\n");
  agent.output("main", half.subarray(0, 3));
  agent.output("main", half.subarray(3));
  await viewer.sees("漢字");
  viewer.send({ type: "input", data: "typed" });
  await until(() => agent.input("main").toString() === "typed", 5_000, "the input");
  agent.stopped("main", { exit_code: 4 });
  const all = async () => (await gateway.api("GET", "/api/recordings")).json.recordings;
  const recording = await until(
    async () => (await all()).find(({ state }: { state: string }) => state === "complete"),
    5_000,
    "the recording",
  );
  expect(recording).toMatchObject({ session: "main", exit_code: 4, kind: "shell" });
  const cast = (await gateway.api("GET", `/api/recordings/${recording.id}/cast`)).text;
  expect(outputOf(cast)).toBe("größer 漢字\r\n");
  expect(outputOf(cast, "i")).toBe("typed");
  expect(eventsIn(cast).at(-1)?.slice(1)).toEqual(["x", "4"]);
});

test("a command of a v1 viewer is recorded with both of its streams", async () => {
  await using stage = await recordingStage();
  await stage.policy("always");
  await using viewer = await V1Viewer.connect(stage.gateway, stage.agentId, "one", "exec=1");
  const command = "seq 1 400000; echo wrong >&2; exit 3";
  viewer.send({ type: "exec", data: { command, id: "mine" } });
  const recording = await stage.recording("complete");
  expect(recording).toMatchObject({ kind: "run", command, exit_code: 3, cut: null });
  const cast = await stage.cast(recording.id);
  expect(outputOf(cast)).toEndWith("\n400000\n");
  expect(outputOf(cast).length).toBe(2_688_895);
  expect(outputOf(cast, "e")).toBe("wrong\n");
});

test("a shell that only a v1 viewer looks at is recorded once, from the agent's own bytes", async () => {
  await using stage = await recordingStage();
  await stage.policy("always");
  await using viewer = await V1Viewer.connect(stage.gateway, stage.agentId, "one");
  await viewer.sees("this session is recorded");
  await until(async () => (await stage.list()).length === 1, 5_000, "the recording");
  viewer.send({ type: "input", data: "echo by-$((6*7)) größer; exit\n" });
  const recording = await stage.recording("complete");
  expect(outputOf(await stage.cast(recording.id))).toContain("by-42 größer");
  expect((await stage.list()).length).toBe(1);
});
