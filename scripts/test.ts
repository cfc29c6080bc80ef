/**
 * Builds this machine's pair of executables and runs the tests: `bun run test`, or `bun run test test/lib -t backoff`.
 * Words are parts of paths, options go to `bun test`. Each file runs in a process of its own, so that its memory and
 * open handles do not reach the next one. One file for each processor runs at a time; files that measure time or memory run
 * alone. The last line is `N passed, N failed`, with the skipped ones behind it.
 *
 * A file that fails runs once more, alone, at the end. If it passes then, it counts as passed and is named as unsteady:
 * the test or the tested code has a defect. Failed tests are named again before the last line.
 *
 * A run has a home and a folder for temporary files of its own, which are removed however it ends.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { ensureDeps, packageCache } from "./ensure-deps.ts";
import { onLeaving } from "./leaving.ts";
import { say } from "./say.ts";
import { Scratch } from "./scratch.ts";
import { add, type Count, readReport, summary } from "./test-report.ts";

const ROOT = join(import.meta.dir, "..");
/** Default timeout of one test, ms. */
const TEST_TIMEOUT_MS = 30_000;
/** Timeout of a whole file, ms: for one that hangs outside of its tests. */
const FILE_TIMEOUT_MS = 10 * 60_000;
/** Failed files that get a second run. */
const MAX_RERUNS = 5;
/** Files with bounds on time, rates or memory, and files that boot a machine or rebuild the executables. */
const ALONE =
  /^test\/(chaos|systemd)\/|flow\.test\.ts$|^test\/(screen\/screen-threads|pty\/leak|hostile\/(fuzz|people|unfinished)|installer\/machines|build\/start|e2e\/(arm64|leavings))\./;

await ensureDeps();
const { filters, options } = splitArguments(process.argv.slice(2));
const build = Bun.spawnSync([process.execPath, join(ROOT, "build.ts"), "--native"], {
  stdio: ["ignore", "inherit", "inherit"],
});
if (!build.success) {
  say("error: the executables could not be built; the tests that drive them will say so");
}
const files = testFiles(filters);
if (files.length === 0) {
  say(`error: no test file has "${filters.join('" or "')}" in its path`);
  process.exit(1);
}
const scratch = new Scratch("rexec-test-");
// The settings of the package registry, and the owner of the checkout.
scratch.lend(".npmrc", ".gitconfig");
const running = new Set<Bun.Subprocess>();
onLeaving(async (code) => {
  for (const child of running) child.kill("SIGTERM");
  await scratch.remove();
  process.exit(code);
});
const failures: { file: string; count: Count }[] = [];
const total: Count = { passed: 0, failed: build.success ? 0 : 1, skipped: 0 };
const together = files.filter((file) => !ALONE.test(file));
const alone = files.filter((file) => ALONE.test(file));
// The longest are at the end of the alphabet, and start first.
await runAll(together.reverse(), availableParallelism());
await runAll(alone, 1);
const unsteady: string[] = [];
const broken: string[] = [];
// A branch full of faults is not run twice.
for (const [at, { file, count }] of failures.entries()) {
  const again = at < MAX_RERUNS ? await runFile(file) : count;
  add(total, again);
  (again.failed === 0 ? unsteady : broken).push(file);
}
await scratch.remove();
for (const file of unsteady) console.log(`unsteady: ${file} failed once, and passed alone`);
for (const file of broken) console.log(`failed: ${file}`);
console.log(summary(total));
process.exit(total.failed === 0 ? 0 : 1);

// --- internal ---

async function runAll(queue: string[], jobs: number): Promise<void> {
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const count = await runFile(file);
      if (count.failed === 0) add(total, count);
      else failures.push({ file, count });
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

async function runFile(file: string): Promise<Count> {
  const start = performance.now();
  const report = join(scratch.folder, `${file.replaceAll("/", "-")}.xml`);
  const child = Bun.spawn(
    [
      process.execPath,
      "test",
      `--timeout=${TEST_TIMEOUT_MS}`,
      "--pass-with-no-tests",
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...options,
      `./${file}`,
    ],
    {
      cwd: ROOT,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, ...scratch.changes, BUN_INSTALL_CACHE_DIR: packageCache() },
      timeout: FILE_TIMEOUT_MS,
    },
  );
  running.add(child);
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  running.delete(child);
  const { titles, ...count } = readReport(report);
  // An error between the tests, or a crash, is in no report.
  if (code !== 0 && count.failed === 0) count.failed = 1;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const skipped = count.skipped ? `, ${count.skipped} skipped` : "";
  const verdict = count.failed ? `FAIL  ${file}: ${count.failed} failed, ` : `ok    ${file}: `;
  console.log(`${verdict}${count.passed} passed${skipped} (${seconds} s)`);
  if (count.failed) console.log(`${err}${out}`.trim().replaceAll(/^/gm, "      "));
  for (const title of titles) console.log(`      skipped: ${title}`);
  return count;
}

function testFiles(filters: readonly string[]): string[] {
  return [...new Bun.Glob("test/**/*.test.ts").scanSync({ cwd: ROOT })]
    .filter(
      (file) => filters.length === 0 || filters.some((filter) => file.includes(filter.replace(/^\.\//, ""))),
    )
    .sort();
}

function splitArguments(args: readonly string[]): { filters: string[]; options: string[] } {
  const takesValue = ["-t", "--test-name-pattern", "--timeout", "--rerun-each", "--seed"];
  const filters: string[] = [];
  const options: string[] = [];
  for (const [index, arg] of args.entries()) {
    const isValue = takesValue.includes(args[index - 1] ?? "");
    (arg.startsWith("-") || isValue ? options : filters).push(arg);
  }
  return { filters, options };
}
