/** Any moment of a recording opens at once, and shows what a terminal shows that saw everything. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CastEvent, eventsIn } from "../../../src/protocol/cast.ts";
import { segmentBody, segmentIndexBody } from "../../../src/protocol/http-recordings.ts";
import { type RecordingStage, recordingStage, shownBy } from "../../support/recording-stage.ts";

const SIZE = { cols: 80, rows: 24 };

async function segmentsOf(stage: RecordingStage, id: string) {
  const path = `/api/recordings/${id}`;
  const answer = await stage.gateway.api("GET", `${path}/index.json`);
  if (answer.status !== 200) throw new Error(`${answer.text} ${stage.gateway.log.join("\n")}`);
  const index = segmentIndexBody.parse(answer.json);
  const segments = [];
  for (const { url } of index.segments) {
    segments.push(segmentBody.parse((await stage.gateway.api("GET", `${path}/${url}`)).json));
  }
  return { index, segments };
}

test("each segment's screen is that of a replay from the beginning", async () => {
  await using stage = await recordingStage();
  await stage.policy("always");
  await using viewer = stage.viewer(SIZE);
  await viewer.attach();
  // Slow enough for keyframes: colours, moves of the cursor, another size, the alternate screen and back.
  viewer.type(
    `stty -echo; for turn in 1 2 3 4 5 6; do i=0; while [ $i -lt 3000 ]; do i=$((i+1)); printf '\\033[3%dm%d.%d ├── größer\\033[0m 漢字 %080d\\r\\n' $((i%7)) $turn $i $i; done; printf '\\033[%d;5Hhere' $turn; sleep 0.7; done; printf '\\033[?1049h\\033[2Jalternate'; sleep 1.2; exit\n`,
  );
  await Bun.sleep(100);
  viewer.resize(90, 20);
  await viewer.hears("ended", 0, 40_000);
  const recording = await stage.recording("complete");
  const events = eventsIn(await stage.cast(recording.id));
  const { index, segments } = await segmentsOf(stage, recording.id);
  expect(index.segments.length).toBeGreaterThan(3);
  expect(index.duration).toBe(recording.duration);
  let before: CastEvent[] = [];
  for (const [number, segment] of segments.entries()) {
    const start = index.segments[number]?.start ?? 0;
    const shown = await shownBy([], segment.snapshot);
    const replayed = await shownBy(before, { ...SIZE, init: "" });
    expect(shown).toBe(replayed);
    // What asciinema-player asks of a segment.
    expect(segment.events[0]?.[0]).toBe(start);
    const next = index.segments[number + 1]?.start ?? Number.POSITIVE_INFINITY;
    expect(segment.events.every(([time]) => time >= start && time < next)).toBe(true);
    before = [...before, ...segment.events];
  }
  expect(segments.at(-1)?.events.at(-1)?.[0]).toBe(index.duration);
  const whole = (list: readonly CastEvent[]) =>
    list
      .filter(([, code]) => code === "o")
      .map(([, , data]) => data)
      .join("");
  expect(whole(segments.flatMap((segment) => segment.events))).toBe(whole(events));
}, 60_000);

test("a flood without keyframes opens within a few MB too", async () => {
  await using stage = await recordingStage();
  await stage.policy("always");
  await using viewer = stage.viewer({ ...SIZE, keeps: false });
  await viewer.attach();
  viewer.type("seq 1 2000000; exit\n");
  await viewer.hears("ended", 0, 60_000);
  const recording = await stage.recording("complete");
  const { index, segments } = await segmentsOf(stage, recording.id);
  expect(recording.bytes).toBeGreaterThan(15_000_000);
  expect(index.segments.length).toBeGreaterThan(4);
  for (const segment of segments) {
    const bytes = segment.events.reduce((sum, [, , data]) => sum + data.length, segment.snapshot.init.length);
    expect(bytes).toBeLessThan(5_000_000);
  }
  const events = eventsIn(await stage.cast(recording.id));
  const middle = index.segments[3]?.start ?? 0;
  const text = (picture: string) => picture.split("\n---\n")[2];
  const before = segments.slice(0, 3).flatMap((segment) => segment.events);
  const { init, ...size } = segments[3]?.snapshot ?? { ...SIZE, init: "" };
  expect(text(await shownBy([], { ...size, init }))).toBe(text(await shownBy(before, { ...SIZE, init: "" })));
  expect(middle).toBeGreaterThan(0);
  expect(events.length).toBeGreaterThan(0);
}, 90_000);

test("a download takes ranges, and says what it cannot give", async () => {
  await using stage = await recordingStage();
  await stage.policy("always");
  await using viewer = stage.viewer(SIZE);
  await viewer.attach();
  viewer.type("exit\n");
  await viewer.hears("ended");
  const { id, bytes } = await stage.recording("complete");
  const whole = readFileSync(join(stage.gateway.dataDir, "recordings", `${id}.cast`), "utf8");
  expect(whole.length).toBe(bytes);
  const get = (range?: string) =>
    fetch(`${stage.gateway.url}/api/recordings/${id}/cast`, {
      headers: { authorization: `Bearer ${stage.gateway.token}`, ...(range ? { range } : {}) },
    });
  const cases: [string | undefined, number, string | null][] = [
    [undefined, 200, whole],
    ["bytes=0-9", 206, whole.slice(0, 10)],
    ["bytes=5-", 206, whole.slice(5)],
    ["bytes=-7", 206, whole.slice(-7)],
    [`bytes=${bytes - 1}-${bytes + 99}`, 206, whole.slice(-1)],
    [`bytes=${bytes}-`, 416, null],
    ["bytes=-0", 416, null],
    ["bytes=9-5", 200, whole],
    ["bytes=0-1,3-4", 200, whole],
    ["lines=0-1", 200, whole],
    ["bytes=99999999999999999999-", 200, whole],
  ];
  for (const [range, status, text] of cases) {
    const answer = await get(range);
    expect([range, answer.status]).toEqual([range, status]);
    if (text !== null) expect(await answer.text()).toBe(text);
    if (status === 206) expect(answer.headers.get("content-range")).toEndWith(`/${bytes}`);
  }
  expect(whole).not.toContain(stage.gateway.token);
});
