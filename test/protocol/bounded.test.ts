import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { excessOf } from "../../src/protocol/bounded.ts";
import { LONGEST_COMMAND } from "../../src/protocol/limits.ts";
import { claimedType } from "../../src/protocol/message-size.ts";
import { parseJson } from "../../src/protocol/parse.ts";
import { parseAgentMessage, parseServerMessage } from "../../src/protocol/v1.ts";
import { parseToViewerMessage, parseViewerMessage } from "../../src/protocol/v1-viewer.ts";
import { parseOpener, parseOwner } from "../../src/protocol/v2/control.ts";

const LIMITS = { length: 1_000_000, depth: 4, values: 20 };

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function valuesOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce((sum: number, each) => sum + 1 + valuesOf(each), 0);
}

describe("what a text may cost", () => {
  test("is counted as a parser would: any value, compact or not", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 7 }), fc.constantFrom(0, 2), (json, indent) => {
        const value: unknown = JSON.parse(json);
        const text = `${JSON.stringify(value, null, indent)}${" ".repeat(32)}`;
        const excess = excessOf(text, LIMITS);
        // Empty objects count as if they had a member.
        if (depthOf(value) > LIMITS.depth) expect(excess).not.toBeNull();
        else if (valuesOf(value) > 2 * LIMITS.values) expect(excess).toContain("values");
        else if (valuesOf(value) < LIMITS.values / 2 && excess) expect(excess).not.toContain("deep");
      }),
      { numRuns: 2_000, seed: 9 },
    );
  });

  test("is not what stands inside a string, quotes and backslashes included", () => {
    const text = JSON.stringify({ a: `${"[{,".repeat(500)}\\"\\\\"`, b: '",[[[[[[[[\\' });
    expect(excessOf(text, LIMITS)).toBeNull();
  });

  test.each([
    ["deep", "[".repeat(1_000_000)],
    ["deep and closed", `${"[".repeat(500_000)}${"]".repeat(500_000)}`],
    ["wide", `[${"{},".repeat(1_000_000)}{}]`],
    ["wide, of numbers", `[${"1,".repeat(3_000_000)}1]`],
    ["a string without an end", `["${"\\".repeat(3_000_001)}`],
    ["many members", `{${'"a":1,'.repeat(1_000_000)}"a":1}`],
  ])("is refused in milliseconds: %s", (_, text) => {
    const started = performance.now();
    expect(parseJson(text, { length: 1e9, depth: 16, values: 64 * 1024 }).ok).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe("a message", () => {
  const parsers: [string, (text: string) => { ok: boolean }][] = [
    ["an agent's", parseAgentMessage],
    ["a server's", parseServerMessage],
    ["a viewer's", parseViewerMessage],
    ["one to a viewer", parseToViewerMessage],
    ["an opener's", parseOpener],
    ["an owner's", parseOwner],
  ];
  const types = ["sessions", "stats", "system_info", "exec_result", "exec", "run", "ping", "attach", "new"];

  test.each(parsers)(
    "of nothing but faults costs next to nothing: %s",
    (_, parse) => {
      for (const type of types) {
        for (const fault of ["{}", "[]", '{"a":{}}', "1", '""']) {
          const filling = `[${`${fault},`.repeat(250_000)}${fault}]`;
          for (const text of [
            `{"type":"${type}","${type}":${filling}}`,
            `{"type":"${type}","data":${filling}}`,
            `{"type":"${type}","data":{"env":${filling}}}`,
            `{"data":${filling},"type":"${type}"}`,
            `{"type":"exec_result","data":${filling},"type":"${type}"}`,
          ]) {
            const started = performance.now();
            expect(parse(text).ok).toBe(false);
            expect(performance.now() - started).toBeLessThan(200);
          }
        }
      }
    },
    60_000,
  );

  test("says its type at its beginning or its end", () => {
    expect(claimedType('{"type":"stats","data":{}}')).toBe("stats");
    expect(claimedType(' { "type" : "stats" }')).toBe("stats");
    expect(claimedType(`{"data":{"a":"${"b".repeat(500)}"},"type":"stats"}\n`)).toBe("stats");
    expect(claimedType('{"data":{},"type":"stats","more":1}')).toBe(null);
  });

  test("has a limit of its own, whatever type it claims first", () => {
    const long = "x".repeat(100_000);
    const claims = (text: string) => parseAgentMessage(text);
    expect(claims(`{"type":"shell_stopped","data":{"session_id":"","error":"${long}"}}`).ok).toBe(false);
    expect(
      claims(`{"type":"exec_result","data":{"session_id":"","error":"${long}"},"type":"shell_stopped"}`),
    ).toMatchObject({ ok: false, problem: "invalid" });
    const result = { command: "c", output: long, success: true };
    expect(claims(JSON.stringify({ type: "exec_result", data: result })).ok).toBe(true);
    expect(claims(JSON.stringify({ data: result, type: "exec_result" })).ok).toBe(true);
  });
});

test("the longest command fits into the messages that carry one, however it is escaped", () => {
  const command = "\u0001".repeat(LONGEST_COMMAND);
  const run = { type: "run", channel: 1, run: crypto.randomUUID(), command };
  const attach = { type: "attach", channel: 1, session: "s", create: true, viewer: "v", command };
  for (const message of [run, attach])
    expect(parseOpener(JSON.stringify(message))).toMatchObject({ ok: true });
});
