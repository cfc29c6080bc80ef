import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LOG_QUEUE_BYTES, LogSink, type LogTarget } from "../../src/lib/log-sink.ts";
import { OutputPipe } from "../support/broken-output.ts";
import { testUnless, whyNoUserNamespace } from "../support/needs.ts";
import { until, within } from "../support/wait.ts";

const SINK = new URL("../../src/lib/log-sink.ts", import.meta.url).pathname;
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

describe("a pipe that nothing reads", () => {
  test("holds lines back up to a bound; what is beyond is counted in its place, with no line lost from there on", async () => {
    using pipe = new OutputPipe();
    const child = program(
      `for (let i = 0; i < 9000; i += 1) sink.write("line " + i + "x".repeat(90) + "\\n");
       process.send("written"); process.on("message", () => { sink.write("the end\\n"); });`,
      pipe.writer,
    );
    await within(child.written, 10_000, "the lines to be written");
    let text = "";
    const take = (wanted: RegExp) =>
      until(
        () => {
          text += pipe.drain();
          return wanted.test(text);
        },
        10_000,
        () => `${wanted}; there is ${text.slice(-300)}`,
      );
    // No further line is needed for the count to be said.
    await take(/… \d+ line\(s\) are missing here: the reader of the log was too slow\n/);
    child.process.send("more");
    await take(/the end\n/);
    const lines = text.trimEnd().split("\n");
    const note = lines.findIndex((line) => line.startsWith("…"));
    expect(lines.slice(0, note)).toEqual(
      Array.from({ length: note }, (_, index) => `line ${index}${"x".repeat(90)}`),
    );
    expect(lines.slice(note + 1)).toEqual(["the end"]);
    expect(note + Number(/\d+/.exec(lines[note] ?? "")?.[0])).toBe(9000);
    expect(text.length).toBeLessThan(LOG_QUEUE_BYTES + 65_536 + 300);
    child.process.kill();
  }, 30_000);
});

test("a reader that is gone costs lines, and neither an error nor the process", async () => {
  using pipe = new OutputPipe();
  pipe.hangUp();
  const child = program(
    `for (let i = 0; i < 1000; i += 1) sink.write("line\\n"); await sink.settle(1000); process.send("written"); process.exit(7);`,
    pipe.writer,
  );
  expect(await within(child.process.exited, 5_000, "its end")).toBe(7);
});

testUnless(whyNoUserNamespace())(
  "a disk that fills up tears no line in two, and the missing ones are counted once there is room",
  async () => {
    const script = `
    import { openSync, rmSync, readFileSync, writeFileSync, truncateSync } from "node:fs";
    import { FdTarget, LogSink } from ${JSON.stringify(SINK)};
    const [folder] = process.argv.slice(-1);
    writeFileSync(folder + "/ballast", Buffer.alloc(60 * 1024));
    const sink = new LogSink(new FdTarget(openSync(folder + "/log", "a")));
    for (let i = 0; i < 2000; i += 1) sink.write("line " + i + "\\n");
    rmSync(folder + "/ballast");
    for (let i = 2000; i < 2010; i += 1) sink.write("line " + i + "\\n");
    await Bun.write(Bun.stdout, readFileSync(folder + "/log", "utf8"));`;
    const folder = mkdtempSync(join(tmpdir(), "rexec-full-"));
    folders.push(folder);
    const mount = `mount -t tmpfs -o size=64k none ${folder} && exec ${process.execPath} -e "$SCRIPT" ${folder}`;
    const child = Bun.spawn(["unshare", "-rm", "sh", "-c", mount], {
      env: { PATH: process.env.PATH, SCRIPT: script },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    expect(err).toBe("");
    const lines = out.trimEnd().split("\n");
    const note = lines.findIndex((line) => line.startsWith("…"));
    expect(lines[note]).toMatch(/^… \d+ line\(s\) are missing here: the disk was full$/);
    expect(lines.slice(note + 1)).toEqual(Array.from({ length: 10 }, (_, index) => `line ${2000 + index}`));
    const missing = Number(/\d+/.exec(lines[note] ?? "")?.[0]);
    // The one that was cut by the end of the disk is among the missing.
    expect([note, note - 1]).toContain(2000 - missing);
  },
);

test("a target that never answers delays neither the caller nor the end", async () => {
  const never: LogTarget = { put: () => new Promise<number>(() => {}) };
  const sink = new LogSink(never);
  const start = performance.now();
  for (let i = 0; i < 10_000; i += 1) sink.write(`line ${i}\n`);
  await sink.settle(100);
  expect(performance.now() - start).toBeLessThan(2_000);
});

test("a target that takes nothing, without an error, is asked now and then, and not in a loop", async () => {
  let asked = 0;
  for (const put of [() => 0, () => Promise.resolve(0)]) {
    const sink = new LogSink({
      put: () => {
        asked += 1;
        return put();
      },
    });
    sink.write("line\n");
    await sink.settle(50);
  }
  expect(asked).toBeLessThan(120);
});

// --- internal ---

/** A program of its own whose stderr is `fd`, with `sink` as its sink. */
function program(code: string, fd: number) {
  const { promise: written, resolve } = Promise.withResolvers<void>();
  const child = Bun.spawn(
    [
      process.execPath,
      "-e",
      `import { standardSink } from ${JSON.stringify(SINK)}; const sink = standardSink(2); ${code}`,
    ],
    { stdio: ["ignore", "ignore", fd], env: { PATH: process.env.PATH }, ipc: () => resolve() },
  );
  return { process: child, written };
}
