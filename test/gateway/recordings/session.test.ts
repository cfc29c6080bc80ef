/** Recordings of shells on a real agent, by a real gateway. */
import { expect, test } from "bun:test";
import { eventsIn } from "../../../src/protocol/cast.ts";
import { outputOf, recordingStage } from "../../support/recording-stage.ts";
import { until } from "../../support/wait.ts";

test("a recording has every byte that the shell printed, characters cut by frames included", async () => {
  await using stage = await recordingStage();
  await stage.policy("always");
  await using viewer = stage.viewer({ cols: 100, rows: 30 });
  await viewer.attach();
  expect((await viewer.hears("attached")).recorded).toBe(true);
  viewer.type("seq 1 40000 | sed 's/$/ größer ├── 漢字 😀/'; exit 3\n");
  await viewer.hears("ended", 0, 30_000);
  const recording = await stage.recording("complete");
  const cast = await stage.cast(recording.id);
  const printed = Buffer.from(outputOf(cast));
  expect(printed.length).toBe(viewer.received);
  expect(Bun.SHA256.hash(printed, "hex")).toBe(viewer.hash.copy().digest("hex"));
  expect(outputOf(cast)).not.toContain("\ufffd");
  expect(recording).toMatchObject({
    session: "main",
    kind: "shell",
    exit_code: 3,
    cut: null,
    part: 1,
    reason: "always",
  });
  expect(recording.bytes).toBe(Buffer.byteLength(cast));
  expect(eventsIn(cast).at(-1)?.slice(1)).toEqual(["x", "3"]);
  const header = JSON.parse(cast.slice(0, cast.indexOf("\n")));
  expect(header).toMatchObject({ version: 2, width: 100, height: 30 });
  // Times go forward.
  const times = eventsIn(cast).map(([time]) => time);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
});

test("what is typed is in a recording only where that is switched on", async () => {
  await using stage = await recordingStage();
  await stage.policy("always");
  for (const [session, input] of [
    ["quiet", false],
    ["loud", true],
  ] as const) {
    await stage.policy("always", input);
    await using viewer = stage.viewer({ session });
    await viewer.attach();
    viewer.type("echo typed-$((6*7)); exit\n");
    await viewer.hears("ended");
  }
  const casts = new Map<string, string>();
  await stage.recording("complete");
  for (const { id, session } of await stage.list()) casts.set(session, await stage.cast(id));
  expect(outputOf(casts.get("quiet") ?? "", "i")).toBe("");
  expect(outputOf(casts.get("quiet") ?? "")).toContain("typed-42");
  expect(outputOf(casts.get("loud") ?? "", "i")).toBe("echo typed-$((6*7)); exit\n");
});

test("a recording on request begins with the screen, and its viewers are told", async () => {
  await using stage = await recordingStage();
  await using viewer = stage.viewer({ cols: 80, rows: 24 });
  await viewer.attach();
  expect((await viewer.hears("attached")).recorded).toBeUndefined();
  viewer.type("echo before-$((1+1))\n");
  await viewer.sees("before-2");
  const path = `/api/agents/${stage.agentId}/sessions/main/recording`;
  expect((await stage.gateway.api("POST", path)).status).toBe(201);
  expect(await viewer.hears("recorded")).toMatchObject({ on: true });
  expect((await stage.gateway.api("POST", path)).status).toBe(409);
  viewer.type("echo after-$((1+1))\n");
  await viewer.sees("after-2");
  const heard = viewer.messages.length;
  expect((await stage.gateway.api("DELETE", path)).status).toBe(200);
  expect(await viewer.hears("recorded", heard)).toMatchObject({ on: false });
  const recording = await stage.recording("stopped");
  const output = outputOf(await stage.cast(recording.id));
  expect(output).toContain("before-2");
  expect(output).toContain("after-2");
  expect(recording).toMatchObject({ reason: "request", cut: null });
});

test("never wins over a request, and always over never", async () => {
  await using stage = await recordingStage();
  await stage.policy("never");
  await using first = stage.viewer({ session: "first" });
  await first.attach();
  const path = (session: string) => `/api/agents/${stage.agentId}/sessions/${session}/recording`;
  expect((await stage.gateway.api("POST", path("first"))).status).toBe(409);
  const own = await stage.gateway.api("PUT", `/api/agents/${stage.agentId}/recording-policy`, {
    mode: "always",
  });
  expect(own.status).toBe(200);
  await using second = stage.viewer({ session: "second" });
  await second.attach();
  expect((await second.hears("attached")).recorded).toBe(true);
  expect((await stage.gateway.api("DELETE", path("second"))).status).toBe(409);
  expect((await stage.list()).map(({ session }) => session)).toEqual(["second"]);
});

test("policies about a tag and a user count for sessions of that tag and of that user", async () => {
  await using stage = await recordingStage();
  await stage.gateway.api("PUT", "/api/recording-policies", { kind: "tag", target: "prod", mode: "always" });
  await using untagged = stage.viewer({ session: "untagged" });
  await untagged.attach();
  expect((await untagged.hears("attached")).recorded).toBeUndefined();
  await stage.gateway.api("PATCH", `/api/agents/${stage.agentId}`, { tags: ["prod"] });
  await using tagged = stage.viewer({ session: "tagged" });
  await tagged.attach();
  expect((await tagged.hears("attached")).recorded).toBe(true);
  await stage.gateway.api("PATCH", `/api/agents/${stage.agentId}`, { tags: [] });
  await stage.gateway.api("PUT", "/api/recording-policies", {
    kind: "user",
    target: "admin",
    mode: "always",
  });
  await using byUser = stage.viewer({ session: "by-user" });
  await byUser.attach();
  expect((await byUser.hears("attached")).recorded).toBe(true);
});

test("two sessions at once are two recordings, and a second viewer makes no third", async () => {
  await using stage = await recordingStage();
  await stage.policy("always");
  await using one = stage.viewer({ session: "one" });
  await using two = stage.viewer({ session: "two" });
  await Promise.all([one.attach(), two.attach()]);
  await using again = stage.viewer({ session: "two" });
  await again.attach();
  one.type("yes one | head -n 30000; exit\n");
  two.type("yes two | head -n 30000; exit\n");
  await Promise.all([one.hears("ended", 0, 30_000), two.hears("ended", 0, 30_000)]);
  await stage.recording("complete");
  const list = await stage.list();
  expect(list.length).toBe(2);
  for (const { id, session } of list) {
    const output = outputOf(await stage.cast(id));
    expect(output.match(new RegExp(`^${session}\r$`, "gm"))?.length).toBe(30_000);
    expect(output).not.toContain(session === "one" ? "two\r\ntwo" : "one\r\none");
  }
});

test("a session whose viewers have left is recorded to its end", async () => {
  await using stage = await recordingStage();
  await stage.policy("always");
  await using viewer = stage.viewer();
  await viewer.attach();
  viewer.type("read -r line; sleep 0.3; seq 1 100000; exit\n");
  await viewer.sees("read -r");
  viewer.type("go\n");
  await until(() => viewer.inputConsumed === viewer.typed.length, 5_000, "the shell to have the input");
  viewer.detach();
  const recording = await stage.recording("complete");
  const output = outputOf(await stage.cast(recording.id));
  expect(output).toContain("\r\n100000\r\n");
});
