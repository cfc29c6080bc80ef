import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { gather } from "../../src/lib/gather.ts";
import { createLogger, LOG_LINE_CHARS } from "../../src/lib/log.ts";
import { arrayLogger } from "../support/gateway.ts";
import { until } from "../support/wait.ts";

function written(say: (log: ReturnType<typeof createLogger>) => void, level = "debug"): string {
  let text = "";
  say(
    createLogger(level, false, (line) => {
      text += line;
    }),
  );
  return text;
}

describe("a line of the log", () => {
  test("is one line, which no terminal obeys, whatever is in it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (message) => {
        const text = written((log) => log.warn(message));
        expect(text.match(/\n/g)).toHaveLength(1);
        expect(text.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069\u200e\u200f\u061c]/u);
      }),
    );
  });

  test("can't be forged by a line end, a carriage return, C1 or a separator of lines", () => {
    const text = written((log) => log.info("a\n[error] b\rc\u001b[2Kd\u009b2Je\u2028f\u202eg\u0085h"));
    expect(text).toEndWith("a\\n[error] b\\rc\\x1b[2Kd\\x9b2Je\\u2028f\\u202eg\\x85h\n");
  });

  test("is cut where a peer's text is huge, at once and without a secret in the rest", () => {
    const start = performance.now();
    const text = written((log) => log.info(`rexec_${"a".repeat(64)} ${"x".repeat(50_000_000)}`));
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(text.length).toBeLessThan(LOG_LINE_CHARS + 200);
    expect(text).toEndWith("…\n");
    expect(text).not.toContain("a".repeat(10));
  });

  test("leaves letters of all languages and emoji as they are", () => {
    expect(written((log) => log.info("Grüße, 日本語, العربية, 👍🏽"))).toContain(
      "Grüße, 日本語, العربية, 👍🏽",
    );
  });
});

test("a log grows no faster than its budget, and says how much was left out; errors have one of their own", async () => {
  let count = 0;
  const text = written((log) => {
    for (; count < 100_000; count += 1) log.info(`line ${count}`);
    log.error("this is seen");
  });
  expect(text.length).toBeLessThan(100_000);
  expect(text).toContain("this is seen");
});

describe("lines of one cause", () => {
  const cause = { level: "warn", kind: "test", who: "peer" } as const;

  test("are written once, then counted for an interval, and written again after a quiet one", async () => {
    const lines: string[] = [];
    const logger = arrayLogger(lines);
    for (let i = 0; i < 1000; i += 1) gather(logger, cause, `bad ${i}`, 50);
    expect(lines).toEqual(["warn: bad 0"]);
    await until(() => lines.length > 1, 5_000, "the count");
    expect(lines[1]).toBe("warn: 999 more like this within 0.05 s: bad 999");
    gather(logger, cause, "going on", 50);
    await until(() => lines.length > 2, 5_000, "the next count");
    expect(lines[2]).toBe("warn: 1 more like this within 0.05 s: going on");
    await until(
      () => {
        if (lines.length === 3) gather(logger, { ...cause, who: "another" }, "other", 50);
        return lines.length > 3;
      },
      5_000,
      "another peer's line",
    );
    expect(lines[3]).toBe("warn: other");
  });

  test("of a million peers take a bounded table and a bounded log", async () => {
    const lines: string[] = [];
    const logger = arrayLogger(lines);
    Bun.gc(true);
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 1_000_000; i += 1) gather(logger, { ...cause, who: `peer ${i}` }, `bad ${i}`, 200);
    await until(() => lines.some((line) => /left out/.test(line)), 5_000, "the count");
    expect(lines.length).toBeLessThan(200);
    Bun.gc(true);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000);
  });
});
