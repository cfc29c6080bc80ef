/** Lists of thousands, the rights over recordings, names that mean harm, and retention. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RecordingRow } from "../../../src/gateway/store/recordings.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { outputOf, recordingRow, recordingStage } from "../../support/recording-stage.ts";
import { until } from "../../support/wait.ts";

const DAY = 24 * 60 * 60_000;

async function fill(gateway: TestGateway, count: number, of: (n: number) => RecordingRow): Promise<void> {
  const { recordings } = gateway.gateway.store;
  for (let n = 0; n < count; n += 1) await recordings.create(of(n));
}

test("10 GB of recordings are listed, filtered and paged in under 100 ms", async () => {
  await using gateway = await startGateway();
  const agents = await Promise.all(["one", "two", "three"].map((name) => gateway.register(name)));
  const begun = Date.now() - 5_000 * 60_000;
  await fill(gateway, 5_000, (n) =>
    recordingRow(agents[n % 3]?.id ?? "", {
      session: n % 10 === 0 ? "deploy" : "main",
      user_name: n % 2 ? "ada" : "bob",
      started_at: new Date(begun + n * 60_000).toISOString(),
    }),
  );
  const timed = async (query: string) => {
    const times: number[] = [];
    for (let turn = 0; turn < 5; turn += 1) {
      const started = performance.now();
      const { status } = await gateway.api("GET", `/api/recordings${query}`);
      times.push(performance.now() - started);
      expect(status).toBe(200);
    }
    return Math.min(...times);
  };
  const since = new Date(begun + 4_000 * 60_000).toISOString();
  for (const query of [
    "",
    "?limit=500",
    `?agent=${agents[0]?.id}`,
    "?user=ada&session=deploy",
    `?since=${since}`,
  ]) {
    expect([query, (await timed(query)) < 100]).toEqual([query, true]);
  }
  const seen: string[] = [];
  for (let next: string | null = `/api/recordings?agent=${agents[1]?.id}&limit=500`; next; ) {
    const { json, headers } = await gateway.api("GET", next);
    seen.push(...json.recordings.map(({ id }: { id: string }) => id));
    const link: string | undefined = /<([^>]+)>/.exec(headers.get("link") ?? "")?.[1];
    next = link ? `${link}&agent=${agents[1]?.id}` : null;
  }
  expect([seen.length, new Set(seen).size]).toEqual([1667, 1667]);
}, 60_000);

test("recordings are for those that see the agent; of a deleted agent for administrators", async () => {
  await using gateway = await startGateway();
  const { id: agentId } = await gateway.register("box");
  const stranger = await gateway.stranger();
  await fill(gateway, 1, () => recordingRow(agentId));
  const [{ id }] = (await gateway.api("GET", "/api/recordings")).json.recordings;
  const as = (method: string, path: string) => gateway.api(method, path, undefined, stranger.token);
  expect((await as("GET", "/api/recordings")).json).toEqual({ recordings: [] });
  expect((await as("GET", `/api/recordings/${id}`)).status).toBe(403);
  const user = await gateway.gateway.store.users.get(stranger.userId);
  await gateway.api("POST", "/api/grants", { user: user?.username, target: agentId, level: "view" });
  expect((await as("GET", `/api/recordings/${id}`)).json).toMatchObject({ id, user: "ada" });
  expect((await as("GET", "/api/recordings")).json.recordings.length).toBe(1);
  expect((await as("DELETE", `/api/recordings/${id}`)).status).toBe(403);
  await gateway.api("DELETE", `/api/agents/${agentId}`);
  expect((await as("GET", `/api/recordings/${id}`)).status).toBe(403);
  expect((await gateway.api("GET", `/api/recordings/${id}`)).status).toBe(200);
  expect((await gateway.api("GET", "/api/recordings")).json.recordings.length).toBe(1);
  expect((await gateway.api("DELETE", `/api/recordings/${id}`)).status).toBe(200);
  expect((await gateway.api("DELETE", `/api/recordings/${id}`)).status).toBe(404);
});

test("no name of a session, a user or an address leads to another file", async () => {
  await using stage = await recordingStage();
  await stage.policy("always");
  const names = [
    "../../gateway.db",
    "a\u001b]0;owned\u0007b",
    'quote"\\',
    "漢字 ".repeat(40),
    "%2e%2e%2f",
    "nul\u0001",
  ];
  for (const session of names) {
    await using viewer = stage.viewer({ session });
    await viewer.connect();
    viewer.send({ type: "attach", channel: 7, session, create: true, viewer: viewer.id });
    const answer = await until(
      () =>
        viewer.messages.find(({ type }) => type === "attached" || type === "refused") ??
        viewer.closes[0] ??
        null,
      5_000,
      `an answer about ${JSON.stringify(session)}`,
    );
    if ("type" in answer && answer.type === "attached")
      stage.gateway.api("DELETE", `/api/agents/${stage.agentId}/sessions/${encodeURIComponent(session)}`);
  }
  await until(
    async () => (await stage.list()).every(({ state }) => state !== "recording"),
    10_000,
    "the ends",
  );
  const list = await stage.list();
  expect(list.length).toBeGreaterThan(0);
  const files = readdirSync(join(stage.gateway.dataDir, "recordings"));
  expect(files.every((name) => /^[0-9a-f-]{36}\.(cast|idx)$/.test(name))).toBe(true);
  for (const { id } of list) expect(typeof outputOf(await stage.cast(id))).toBe("string");
  for (const path of ["..%2f..%2fgateway.db", "%2e%2e", "x".repeat(5_000), `${list[0]?.id}%00`, "..%5c"]) {
    for (const tail of ["", "/cast", "/index.json", "/segments/0.json", "/segments/..%2f0.json"]) {
      const { status } = await stage.gateway.api("GET", `/api/recordings/${path}${tail}`);
      expect([path, tail, status >= 400 && status < 500]).toEqual([path, tail, true]);
    }
  }
  for (const number of ["-1", "1e9", "999999", "0x0", "0.json.json", "٣"]) {
    const { status } = await stage.gateway.api(
      "GET",
      `/api/recordings/${list[0]?.id}/segments/${number}.json`,
    );
    expect([number, status]).toEqual([number, 404]);
  }
}, 60_000);

test("a damaged cast and index are read as far as they make sense", async () => {
  await using gateway = await startGateway();
  const { id: agentId } = await gateway.register("box");
  const made = recordingRow(agentId);
  await gateway.gateway.store.recordings.create(made);
  const folder = join(gateway.dataDir, "recordings");
  writeFileSync(
    join(folder, `${made.id}.cast`),
    [
      '{"version":2}',
      '[1, "o", "one"]',
      "[null]",
      "garbage",
      '[1e999, "o", "x"]',
      '[2, "o", "two"]',
      "[3,",
    ].join("\n"),
  );
  const keys = [
    '{"t":1,"at":1e300,"cols":1,"rows":1,"init":""}',
    '{"t":-1,"at":0}',
    "{",
    '{"t":500,"m":"mark"}',
    "",
  ];
  writeFileSync(join(folder, `${made.id}.idx`), keys.join("\n"));
  const index = await gateway.api("GET", `/api/recordings/${made.id}/index.json`);
  expect(index.json).toMatchObject({ duration: 60, markers: [[0.5, "mark"]], segments: [{ start: 0 }] });
  const { json } = await gateway.api("GET", `/api/recordings/${made.id}/segments/0.json`);
  expect(json.events.map(([, , data]: [number, string, string]) => data).join("")).toContain("onetwo");
});

test("recordings go by age and by bytes, the oldest first, and none that is still made", async () => {
  await using gateway = await startGateway({ recordingsDays: 30, recordingsBytes: 5_000_000 });
  const { id: agentId } = await gateway.register("box");
  const folder = join(gateway.dataDir, "recordings");
  const at = (days: number) => new Date(Date.now() - days * DAY).toISOString();
  const rows = [40, 31, 20, 10, 5].map((days) => recordingRow(agentId, { started_at: at(days) }));
  const live = recordingRow(agentId, { started_at: at(50), ended_at: null, state: "recording" });
  for (const each of [...rows, live]) {
    await gateway.gateway.store.recordings.create(each);
    writeFileSync(join(folder, `${each.id}.cast`), "{}\n");
  }
  await gateway.gateway.recordings.retention.run();
  const left = (await gateway.api("GET", "/api/recordings")).json.recordings.map(
    ({ id }: { id: string }) => id,
  );
  expect(left.sort()).toEqual([rows[4]?.id, live.id].sort());
  for (const each of rows) expect(existsSync(join(folder, `${each.id}.cast`))).toBe(each === rows[4]);
});
