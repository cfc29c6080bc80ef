/** Reads the result of a test file from the JUnit report of `bun test`. */
import { readFileSync } from "node:fs";

/** Numbers of tests. */
export interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** The result of one test file. */
export interface Report extends Count {
  /** Of the skipped tests, with the reason where one is given. */
  titles: string[];
}

/** A hook of a skipped group is in the report like a test. */
const HOOK = "(unnamed)";

/** All counts are 0 where the process died before it wrote a report. */
export function readReport(path: string): Report {
  const text = read(path);
  const head = /<testsuites\b[^>]*>/.exec(text)?.[0] ?? "";
  const number = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const titles = skippedTitles(text);
  const failed = number("failures") + number("errors");
  const passed = number("tests") - failed - number("skipped");
  return { passed, failed, skipped: titles.length, titles };
}

export function add(total: Count, more: Count): void {
  total.passed += more.passed;
  total.failed += more.failed;
  total.skipped += more.skipped;
}

/** The last line of a run, which scripts read. */
export function summary({ passed, failed, skipped }: Count): string {
  return `${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`;
}

// --- internal ---

/** A reason stands in the title of the test or of a group around it: `… (SKIPPED: reason)`. */
function skippedTitles(text: string): string[] {
  const cases = text.matchAll(/<testcase\b([^>]*?)>\s*<skipped/g);
  return [...cases].flatMap(([, attributes = ""]) => {
    const [name, group] = [attribute(attributes, "name"), attribute(attributes, "classname")];
    if (name === HOOK) return [];
    const reason = /\(SKIPPED: (.*?)\)(?: > |$)/.exec(`${group} > ${name}`)?.[1];
    const title = name.replace(/ \(SKIPPED: .*\)$/, "");
    return [reason === undefined ? title : `${title}: ${reason}`];
  });
}

function attribute(text: string, name: string): string {
  const value = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(text)?.[1] ?? "";
  return value
    .replaceAll("&gt;", ">")
    .replaceAll("&lt;", "<")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
