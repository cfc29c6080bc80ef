/** Runs both halves, prints the table, keeps the raw values. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { versionStamp } from "../build.ts";
import { say } from "../scripts/say.ts";
import { type Figures, medians, table } from "./figures.ts";
import { measureOpenssh } from "./openssh.ts";
import { measureRexec } from "./rexec.ts";

const ROOT = join(import.meta.dir, "..");
const BULK_BYTES = 200_000_000;
const SMALL_BYTES = 20_000_000;

/** Answers the exit code: 1 where a measurement failed. A target that is missed fails nothing, but is marked. */
export async function bench(runs: number): Promise<number> {
  const build = Bun.spawnSync([process.execPath, join(ROOT, "build.ts"), "--native"], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (!build.success) return 1;
  const folder = mkdtempSync(join(tmpdir(), "rexec-bench-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const bulk = payload(join(folder, "bulk"), BULK_BYTES);
  const small = payload(join(folder, "small"), SMALL_BYTES);
  const ours: Figures[] = [];
  const theirs: Figures[] = [];
  let without = "";
  for (let run = 1; run <= runs; run += 1) {
    say(`run ${run} of ${runs}: rexec`);
    ours.push(await measureRexec(join(folder, `run-${run}`), bulk, small));
    if (without) continue;
    say(`run ${run} of ${runs}: sshd`);
    const figures = await measureOpenssh(join(folder, `run-${run}`), bulk, small);
    if (typeof figures === "string") without = figures;
    else theirs.push(figures);
  }
  const machine = {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryMb: Math.round(totalmem() / 1e6),
    kernel: release(),
  };
  const { version, commit } = versionStamp();
  console.log(
    `rexec ${version} (${commit}) on ${machine.cores} x ${machine.cpu}, Linux ${machine.kernel}; median of ${runs}\n`,
  );
  console.log(table(medians(ours), theirs.length > 0 ? medians(theirs) : null));
  if (without) console.log(`\nno figures of sshd: ${without}`);
  const results = join(ROOT, "bench", "results");
  mkdirSync(results, { recursive: true });
  const file = join(results, `${new Date().toISOString().replaceAll(":", "-")}.json`);
  writeFileSync(
    file,
    `${JSON.stringify({ version, commit, machine, rexec: ours, sshd: theirs, without }, null, 2)}\n`,
  );
  console.log(`\nraw values: ${file}`);
  return 0;
}

// --- internal ---

/** Lines as a build or a log prints them: text, some colour, some of it not ASCII. */
function payload(file: string, size: number): { file: string; size: number } {
  const line = (n: number) =>
    `\u001b[32m${String(n).padStart(8)}\u001b[0m drwxr-xr-x 2 root root 4096 Nov 22 23:0${n % 10} src/öffentlich/module-${n % 997}.ts ✓\n`;
  let block = "";
  for (let n = 0; block.length < 1_000_000; n += 1) block += line(n);
  const bytes = Buffer.from(block);
  const content = Buffer.alloc(size, "x");
  let at = 0;
  // Whole blocks only: what is cut at the end is ASCII.
  for (; at + bytes.length <= size; at += bytes.length) bytes.copy(content, at);
  writeFileSync(file, content);
  return { file, size };
}
