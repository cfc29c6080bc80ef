/** A gateway that is killed: what was written last is there, and the session goes on in a second part. */
import { expect, test } from "bun:test";
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eventsIn } from "../../../src/protocol/cast.ts";
import { recordingListBody } from "../../../src/protocol/http-recordings.ts";
import { startAgent } from "../../support/agent.ts";
import { call } from "../../support/gateway.ts";
import { outputOf } from "../../support/recording-stage.ts";
import { ServeProcess } from "../../support/serve.ts";
import { V2Viewer } from "../../support/v2-viewer.ts";
import { until } from "../../support/wait.ts";

test("a recording survives kill -9 of the gateway up to its last flush, and goes on as another part", async () => {
  await using serve = await new ServeProcess().start();
  const api = (method: string, path: string, body?: unknown) =>
    call(serve.url, method, path, body, serve.token);
  const list = async () => recordingListBody.parse((await api("GET", "/api/recordings")).json).recordings;
  const { json } = await api("POST", "/api/agents/register", { name: "box", os: "linux", arch: "amd64" });
  await api("PUT", "/api/recording-policies", { kind: "all", mode: "always" });
  await using _agent = startAgent({ host: serve.url, token: json.token, agentId: json.id });
  const isOnline = async () => (await api("GET", `/api/agents/${json.id}`)).json.status === "online";
  await until(isOnline, 10_000, "the agent");
  await using viewer = new V2Viewer(() => `${serve.url}/ws/agent/${json.id}/terminal`, serve.token);
  viewer.reconnects();
  await viewer.attach();
  viewer.type("echo kept-$((6*7))\n");
  await viewer.sees("kept-42");
  const folder = join(serve.dataDir, "recordings");
  const pathOf = (id: string) => join(folder, `${id}.cast`);
  const castOf = (id: string) => (existsSync(pathOf(id)) ? readFileSync(pathOf(id), "utf8") : "");
  const [first] = await list();
  if (!first) throw new Error("nothing is recorded");
  expect(first.state).toBe("recording");
  await until(() => castOf(first.id).includes("kept-42"), 5_000, "the flush");
  await serve.kill();
  // As where it was killed in the middle of a write.
  appendFileSync(join(folder, `${first.id}.cast`), '[9.123, "o", "half of a li');
  await serve.start();
  await until(async () => (await list()).length === 2, 20_000, "the second part");
  viewer.type("echo later-$((6*7)); exit\n");
  await viewer.hears("ended", 0, 20_000);
  const ended = async () => (await list()).find(({ state }) => state === "complete");
  const second = await until(ended, 10_000, "its end");
  const interrupted = (await list()).find(({ id }) => id === first.id);
  expect(interrupted).toMatchObject({
    state: "interrupted",
    note: "the gateway ended without warning",
    part: 1,
  });
  expect(interrupted?.duration).toBeGreaterThan(0);
  expect(castOf(first.id)).toEndWith("\n");
  expect(castOf(first.id).length).toBe(interrupted?.bytes ?? 0);
  expect(outputOf(castOf(first.id))).toContain("kept-42");
  expect(second).toMatchObject({ part: 2, instance: first.instance, session: "main" });
  expect(eventsIn(castOf(second.id)).at(-1)?.slice(1)).toEqual(["x", "0"]);
  expect(outputOf(castOf(second.id))).toContain("later-42");
  expect(readdirSync(folder).filter((name) => name.endsWith(".cast")).length).toBe(2);
  const index = await api("GET", `/api/recordings/${first.id}/index.json`);
  expect(index.json.duration).toBe(interrupted?.duration);
}, 60_000);

test("a gateway that is stopped ends its recordings itself", async () => {
  const { recordingStage } = await import("../../support/recording-stage.ts");
  await using stage = await recordingStage();
  await stage.policy("always");
  await using viewer = stage.viewer();
  await viewer.attach();
  viewer.type("echo kept-$((6*7))\n");
  await viewer.sees("kept-42");
  await stage.gateway.restart();
  const [recording] = await stage.list();
  expect(recording).toMatchObject({ state: "interrupted", note: "the gateway stopped" });
  expect(outputOf(await stage.cast(recording?.id ?? ""))).toContain("kept-42");
});
