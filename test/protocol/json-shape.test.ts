import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { excessOf, MAX_JSON_DEPTH, MAX_JSON_VALUES } from "../../src/protocol/json-shape.ts";
import { parseJson } from "../../src/protocol/parse.ts";

const repeated = (text: string, count: number) => text.repeat(count);

describe("JSON of an excessive shape", () => {
  const excessive: [string, string][] = [
    ["objects", `[${repeated("{},", MAX_JSON_VALUES)}{}]`],
    ["numbers", `[${repeated("0,", MAX_JSON_VALUES + 1)}0]`],
    ["texts", `[${repeated('"a\\\\",', MAX_JSON_VALUES + 1)}0]`],
    ["levels", repeated("[", 5_000)],
    ["levels of objects", repeated('{"a":', 5_000)],
    ["levels that end", `${repeated("[", 5_000)}${repeated("]", 5_000)}`],
  ];
  test.each(excessive)("is refused unparsed: %s", (_, text) => {
    const begun = performance.now();
    expect(parseJson(text)).toMatchObject({ ok: false, reason: expect.stringContaining("more than") });
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  test("is not found in what stands in texts", () => {
    const value = { a: repeated('[{,"\\', 1_000_000), b: "\\", c: "\\\\", d: 1 };
    expect(parseJson(JSON.stringify(value))).toEqual({ ok: true, value });
  });

  test("is never found in ordinary values", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.string({ minLength: 5_000 }), (value, text) => {
        expect(excessOf(JSON.stringify([value, text, value]))).toBeNull();
      }),
      { numRuns: 50 },
    );
  });

  test("depth is counted as the parser does", () => {
    const nested = (levels: number) =>
      `[${repeated("[", levels - 1)}"${"x".repeat(5_000)}"${repeated("]", levels)}`;
    expect(excessOf(nested(MAX_JSON_DEPTH))).toBeNull();
    expect(excessOf(nested(MAX_JSON_DEPTH + 1))).not.toBeNull();
  });
});
