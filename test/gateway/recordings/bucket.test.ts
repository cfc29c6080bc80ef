/** Recordings in a bucket of an S3-compatible server. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import S3rver from "s3rver";
import {
  outputOf,
  type RecordingStage,
  recordingRow,
  recordingStage,
} from "../../support/recording-stage.ts";
import { until } from "../../support/wait.ts";

const KEYS = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER", region: "us-east-1" };

async function startBucket(folder: string, port = 0) {
  const server = new S3rver({
    port,
    address: "127.0.0.1",
    silent: true,
    directory: folder,
    configureBuckets: [{ name: "shelf", configs: [] }],
  });
  const { port: at } = await server.run();
  return { port: at, url: `http://127.0.0.1:${at}`, stop: () => server.close() };
}

async function recorded(stage: RecordingStage, session: string): Promise<string> {
  await using viewer = stage.viewer({ session });
  await viewer.attach();
  viewer.type(`echo ${session}-$((6*7)); seq 1 300000; exit\n`);
  await viewer.hears("ended", 0, 30_000);
  const ended = async () =>
    (await stage.list()).find((one) => one.session === session && one.state === "complete");
  return (await until(ended, 10_000, "the recording's end")).id;
}

const spool = (stage: RecordingStage) => readdirSync(join(stage.gateway.dataDir, "recordings"));

test("an ended recording goes to the bucket, is read from there in ranges, and is removed there", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rexec-bucket-"));
  const bucket = await startBucket(folder);
  const bucketKeys = { ...KEYS, endpoint: bucket.url };
  try {
    await using stage = await recordingStage({ recordings: "s3://shelf/of/recordings", bucketKeys });
    await stage.policy("always");
    const id = await recorded(stage, "main");
    await until(
      () => spool(stage).length === 0,
      20_000,
      () => `the upload; ${stage.gateway.log.join("\n")}`,
    );
    const cast = await stage.cast(id);
    expect(outputOf(cast)).toContain("main-42");
    expect(outputOf(cast)).toContain("\r\n300000\r\n");
    const headers = { authorization: `Bearer ${stage.gateway.token}`, range: "bytes=100-1099" };
    const part = await fetch(`${stage.gateway.url}/api/recordings/${id}/cast`, { headers });
    expect([part.status, await part.text()]).toEqual([206, cast.slice(100, 1100)]);
    const index = await stage.gateway.api("GET", `/api/recordings/${id}/index.json`);
    const [first] = index.json.segments;
    const segment = await stage.gateway.api("GET", `/api/recordings/${id}/${first.url}`);
    expect(JSON.stringify(segment.json.events)).toContain("main-42");
    expect((await stage.gateway.api("DELETE", `/api/recordings/${id}`)).status).toBe(200);
    expect(readdirSync(folder, { recursive: true }).filter((name) => name.toString().includes(id))).toEqual(
      [],
    );
  } finally {
    await bucket.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

test("a dead bucket ends no session: what waits is bounded, then cut, and sent once the bucket is back", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rexec-bucket-"));
  const bucket = await startBucket(folder);
  await bucket.stop();
  const bucketKeys = { ...KEYS, endpoint: bucket.url };
  try {
    await using stage = await recordingStage({
      recordings: "s3://shelf",
      recordingsSpool: 100_000,
      bucketKeys,
    });
    await stage.policy("always");
    const first = await recorded(stage, "first");
    expect(spool(stage)).toContain(`${first}.cast`);
    expect(outputOf(await stage.cast(first))).toContain("first-42");
    const second = await recorded(stage, "second");
    const cut = (await stage.list()).find(({ id }) => id === second)?.cut;
    expect(cut?.reason).toBe("the bucket takes no recordings");
    expect(cut?.bytes).toBeGreaterThan(1_000_000);
    const back = await startBucket(folder, bucket.port);
    await until(() => spool(stage).length === 0, 30_000, "the upload");
    expect(outputOf(await stage.cast(first))).toContain("first-42");
    await back.stop();
    const gone = await stage.gateway.api("GET", `/api/recordings/${first}/cast`);
    expect([gone.status, gone.json.code]).toEqual([502, "storage_unreachable"]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

test("all that waits for the bucket counts, and not the oldest few alone", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rexec-bucket-"));
  const bucket = await startBucket(folder);
  await bucket.stop();
  try {
    const bucketKeys = { ...KEYS, endpoint: bucket.url };
    await using stage = await recordingStage({ recordings: "s3://shelf", bucketKeys });
    const { store } = stage.gateway.gateway;
    // A hundred small ones, and behind them fifty of a gigabyte, which is more than may wait.
    for (let i = 0; i < 150; i += 1) {
      const started_at = new Date(Date.UTC(2026, 0, 1, 0, i)).toISOString();
      const row = recordingRow(stage.agentId, { started_at, bytes: i < 100 ? 10 : 1e9, place: "folder" });
      await store.recordings.create(row);
      writeFileSync(join(stage.gateway.dataDir, "recordings", `${row.id}.cast`), "{}\n");
    }
    await stage.policy("always");
    await recorded(stage, "first");
    const id = await recorded(stage, "second");
    const { cut } = (await stage.list()).find((each) => each.id === id) ?? {};
    expect(cut?.reason).toBe("the bucket takes no recordings");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
