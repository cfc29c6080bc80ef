/**
 * Builds this machine's pair of executables and runs the tests: `bun run test`, or `bun run test test/lib -t backoff`.
 * Words are parts of paths, options go to `bun test`. Each file runs in a process of its own, so that what one leaves
 * open, or its memory, is not the next one's. The last line is `N passed, N failed`.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureDeps } from "./ensure-deps.ts";
import { say } from "./say.ts";

const ROOT = join(import.meta.dir, "..");
/** Of one test where it names no limit of its own, ms. */
const TEST_TIMEOUT_MS = 30_000;
/** Of a whole file, ms: one that hangs outside of its tests ends here. */
const FILE_TIMEOUT_MS = 10 * 60_000;

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

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
const reports = mkdtempSync(join(tmpdir(), "rexec-test-"));
const total: Count = { passed: 0, failed: build.success ? 0 : 1, skipped: 0 };
process.on("exit", () => rmSync(reports, { recursive: true, force: true }));
for (const [index, file] of files.entries()) {
  const count = await runFile(file, join(reports, `${index}.xml`));
  total.passed += count.passed;
  total.failed += count.failed;
  total.skipped += count.skipped;
}
console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ""}`,
);
process.exit(total.failed === 0 ? 0 : 1);

// --- internal ---

async function runFile(file: string, report: string): Promise<Count> {
  const start = performance.now();
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
      env: testEnvironment(),
      timeout: FILE_TIMEOUT_MS,
    },
  );
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const count = countReport(report);
  // An error between the tests, or a crash, stands in no report.
  if (code !== 0 && count.failed === 0) count.failed = 1;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const skipped = count.skipped ? `, ${count.skipped} skipped` : "";
  const verdict = count.failed ? `FAIL  ${file}: ${count.failed} failed, ` : `ok    ${file}: `;
  console.log(`${verdict}${count.passed} passed${skipped} (${seconds} s)`);
  if (count.failed) console.log(`${err}${out}`.trim().replaceAll(/^/gm, "      "));
  else if (count.skipped) for (const line of skippedTitles(report)) console.log(`      skipped: ${line}`);
  return count;
}

/** From the numbers in the head of the JUnit report; none where the process died before it wrote one. */
function countReport(report: string): Count {
  const head = /<testsuites\b[^>]*>/.exec(read(report))?.[0] ?? "";
  const number = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = number("failures") + number("errors");
  const skipped = number("skipped");
  return { passed: number("tests") - failed - skipped, failed, skipped };
}

function skippedTitles(report: string): string[] {
  const cases = read(report).matchAll(/<testcase\b[^>]*?\bname="([^"]*)"[^>]*>\s*<skipped/g);
  return [...cases].map(([, name = ""]) => name.replaceAll("&quot;", '"').replaceAll("&amp;", "&"));
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function testFiles(filters: readonly string[]): string[] {
  return [...new Bun.Glob("test/**/*.test.ts").scanSync({ cwd: ROOT })]
    .filter(
      (file) => filters.length === 0 || filters.some((filter) => file.includes(filter.replace(/^\.\//, ""))),
    )
    .sort();
}

/** What a developer has set for an agent of their own must not reach the tests. */
function testEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("REXEC_")));
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
