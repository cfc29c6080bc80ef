import { expect, test } from "bun:test";
import { gather } from "../../src/lib/gather.ts";
import { createLogger, LOG_LINE_CHARS } from "../../src/lib/log.ts";

function logged(say: (logger: ReturnType<typeof createLogger>) => void, level = "debug") {
  const lines: string[] = [];
  say(createLogger(level, false, (line) => lines.push(line), "json"));
  return lines.map((line) => {
    expect(line.endsWith("\n")).toBe(true);
    expect(line.trimEnd()).not.toContain("\n");
    return JSON.parse(line);
  });
}

test("a JSON line has time, level, message and fields, which take no other's place", () => {
  const [line] = logged((log) =>
    log.warn("it is", { request_id: "a", status: 200, ok: true, none: null, level: "x" }),
  );
  expect(line).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    level: "warn",
    message: "it is",
    request_id: "a",
    status: 200,
    ok: true,
    none: null,
  });
});

test("what peers choose stays one line of bounded length, and holds no secret", () => {
  const secret = `rexec_${"a".repeat(64)}`;
  const odd = `\u001b[2J"quoted"\n{"level":"error"}\u2028${secret}`;
  const [line] = logged((log) => log.info(odd, { path: odd, long: "x".repeat(100_000) }));
  expect(JSON.stringify(line)).not.toContain("a".repeat(64));
  expect(JSON.stringify(line)).not.toContain("\\u001b");
  expect(line.long.length).toBeLessThanOrEqual(LOG_LINE_CHARS + 1);
});

test("levels and budgets are those of text", () => {
  expect(logged((log) => log.debug("hidden"), "info")).toEqual([]);
  const many = logged((log) => {
    for (let i = 0; i < 10_000; i += 1) log.info("again");
  });
  expect(many.length).toBeLessThan(10_000);
});

test("a line that is gathered keeps its fields", () => {
  const [line] = logged((log) =>
    gather(log, { level: "info", kind: "k", who: "w", fields: { request_id: "r" } }, "refused"),
  );
  expect(line).toMatchObject({ message: "refused", request_id: "r" });
});
