import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { add, readReport, summary } from "../../scripts/test-report.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rexec-report-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What `bun test` reports of a file with this text. */
function reportOf(text: string) {
  const [file, report] = [join(folder, "some.test.ts"), join(folder, "report.xml")];
  writeFileSync(file, `import { beforeAll, describe, expect, test } from "bun:test";\n${text}`);
  const words = [process.execPath, "test", "--reporter=junit", `--reporter-outfile=${report}`, file];
  Bun.spawnSync(words, { cwd: folder, stdio: ["ignore", "ignore", "ignore"] });
  return readReport(report);
}

describe("the report of a test file", () => {
  test("counts what passed, failed and was skipped, and names the reasons", () => {
    const report = reportOf(`
      test("passes", () => {});
      test("fails", () => { expect(1).toBe(2); });
      test.skip("packs <it> & \\"more\\" (SKIPPED: xz is not installed (Debian: xz-utils))", () => {});
      test.skip("has no reason", () => {});
      describe.skip("a group (SKIPPED: only root can do this)", () => {
        beforeAll(() => {});
        test("one of it", () => {});
        describe("within", () => { test("another > of it", () => {}); });
      });`);
    expect(report).toEqual({
      passed: 1,
      failed: 1,
      skipped: 4,
      titles: [
        'packs <it> & "more": xz is not installed (Debian: xz-utils)',
        "has no reason",
        "one of it: only root can do this",
        "another > of it: only root can do this",
      ],
    });
  });

  test("counts nothing where there is none", () => {
    expect(readReport(join(folder, "none.xml"))).toEqual({ passed: 0, failed: 0, skipped: 0, titles: [] });
  });
});

test("the last line of a run has the skipped ones where there are any", () => {
  const total = { passed: 1, failed: 0, skipped: 0 };
  expect(summary(total)).toBe("1 passed, 0 failed");
  add(total, { passed: 2, failed: 1, skipped: 3 });
  expect(summary(total)).toBe("3 passed, 1 failed, 3 skipped");
});
