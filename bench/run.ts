/** Runs every subject, prints the table, keeps the raw values. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { readStamp } from "../build.ts";
import { say } from "../scripts/say.ts";
import { messageOf } from "../src/lib/errors.ts";
import { writePayload } from "../test/chaos/world.ts";
import { type Figures, type Results, type SubjectName, table } from "./figures.ts";
import * as measure from "./measure.ts";
import { startMosh } from "./mosh.ts";
import { startOpenssh } from "./openssh.ts";
import { startRexec } from "./rexec.ts";
import type { Subject } from "./subject.ts";

const ROOT = join(import.meta.dir, "..");
const BULK_BYTES = 200_000_000;
const RANDOM_BYTES = 20_000_000;
const SMALL_BYTES = 1_000_000;
/** Measured in the first run only: it spends minutes on figures that never come. */
const ONCE: readonly SubjectName[] = ["rexec.v1"];

/** The number of runs, and the subjects. */
export interface BenchOptions {
  runs: number;
  subjects: readonly SubjectName[];
}

/** Answers the exit code: 1 where a measurement failed. A target that is missed fails nothing, but is marked. */
export async function bench({ runs, subjects }: BenchOptions): Promise<number> {
  const build = Bun.spawnSync([process.execPath, join(ROOT, "build.ts"), "--native"], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (!build.success) return 1;
  const folder = mkdtempSync(join(tmpdir(), "rexec-bench-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const random = { file: join(folder, "random"), size: RANDOM_BYTES };
  writePayload(random.file, random.size, 1);
  const payloads = {
    bulk: listings(join(folder, "bulk"), BULK_BYTES),
    small: listings(join(folder, "small"), SMALL_BYTES),
    random,
  };
  const results: Results = {};
  const without: Partial<Record<SubjectName, string>> = {};
  for (let run = 1; run <= runs; run += 1) {
    for (const name of subjects.filter(
      (subject) => !(subject in without) && (run === 1 || !ONCE.includes(subject)),
    )) {
      say(`run ${run} of ${runs}: ${name}`);
      const figures = await one(name, join(folder, `${name.replaceAll(" ", "")}-${run}`), payloads).catch(
        messageOf,
      );
      if (typeof figures === "string") without[name] = figures;
      else results[name] = [...(results[name] ?? []), figures];
    }
  }
  report(results, without, runs);
  return 0;
}

// --- internal ---

/** All figures of a subject, once; or why there are none. */
async function one(name: SubjectName, folder: string, payloads: measure.Payloads): Promise<Figures | string> {
  mkdirSync(folder, { recursive: true });
  if (name === "mosh") {
    const mosh = startMosh();
    return typeof mosh === "string" ? mosh : ended(mosh, () => measure.interactive(mosh, payloads));
  }
  const start = (proxied: boolean) => {
    const place = join(folder, proxied ? "proxied" : "straight");
    return name === "sshd" || name === "ssh -J"
      ? startOpenssh(place, { proxied, jumps: name !== "sshd" })
      : startRexec({ version: name, folder: place, proxied });
  };
  const straight = await start(false);
  if (typeof straight === "string") return straight;
  const figures: Figures = { startMs: straight.startMs };
  const add = async (what: string, measured: Promise<Figures>) => {
    const begun = performance.now();
    Object.assign(figures, await measured);
    say(`  ${what} (${((performance.now() - begun) / 1000).toFixed(0)} s)`);
  };
  await ended(straight, async () => {
    await add("memory", measure.resident(straight));
    if (name.startsWith("rexec")) await add("stalled viewers", measure.stalled(straight, figures, payloads));
    await add("echo and interrupts", measure.interactive(straight, payloads));
    await add("throughput", measure.throughput(straight, payloads));
    await add("recording", measure.recorded(straight, payloads));
  });
  if (name === "ssh -J") return figures;
  const proxied = await start(true);
  if (typeof proxied === "string") return proxied;
  await ended(proxied, async () => {
    await add("bytes on the wire", measure.wire(proxied, payloads));
    await add("interrupts on slow lines", measure.slowInterrupts(proxied));
    if (name !== "sshd") await add("lines that come back", measure.caughtUp(proxied, folder));
  });
  return figures;
}

async function ended<T>(subject: Subject, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } finally {
    await subject.stop();
  }
}

function report(results: Results, without: Partial<Record<SubjectName, string>>, runs: number): void {
  const machine = {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryMb: Math.round(totalmem() / 1e6),
    kernel: release(),
  };
  const { version, commit } = readStamp();
  console.log(
    `rexec ${version} (${commit}) on ${machine.cores} x ${machine.cpu}, Linux ${machine.kernel}; median of ${runs}; rexec.v1 once\n`,
  );
  console.log(table(results));
  for (const [name, why] of Object.entries(without)) console.log(`\nno figures of ${name}: ${why}`);
  const kept = join(ROOT, "bench", "results");
  mkdirSync(kept, { recursive: true });
  const file = join(kept, `${new Date().toISOString().replaceAll(":", "-")}.json`);
  // JSON has no infinity: a figure that never came is null there.
  writeFileSync(file, `${JSON.stringify({ version, commit, machine, runs: results, without }, null, 2)}\n`);
  console.log(`\nraw values: ${file}`);
}

/** Lines as a build or a log prints them: text, some colour, some of it not ASCII. */
function listings(file: string, size: number): measure.Payload {
  const line = (n: number) =>
    `\u001b[32m${String(n).padStart(8)}\u001b[0m drwxr-xr-x 2 root root 4096 Nov 22 23:0${n % 10} src/öffentlich/module-${n % 997}.ts ✓\n`;
  let block = "";
  for (let n = 0; block.length < 900_000; n += 1) block += line(n);
  const bytes = Buffer.from(block);
  const content = Buffer.alloc(size, "x");
  let at = 0;
  // Whole blocks only: what is cut at the end is ASCII.
  for (; at + bytes.length <= size; at += bytes.length) bytes.copy(content, at);
  writeFileSync(file, content);
  return { file, size };
}
