import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LONGEST_SHOWN, printable, printableJson } from "../../src/lib/printable.ts";

/** Everything that may act on a terminal or hide in it, written as numbers: no source file should hold it. */
const RANGES: readonly (readonly [number, number])[] = [
  [0x00, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x3164, 0x3164],
  [0xd800, 0xdfff],
  [0xe000, 0xf8ff],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xfff9, 0xfffb],
  [0xfdd0, 0xfdef],
  [0xffff, 0xffff],
  [0x1bca0, 0x1bca3],
  [0xe0000, 0xe01ef],
  [0xf0000, 0xf00ff],
];
const UNSEEN = RANGES.flatMap(([from, to]) =>
  Array.from({ length: to - from + 1 }, (_, index) => String.fromCodePoint(from + index)),
);

describe("text of others", () => {
  test("shows every character that is not seen as itself as an escape", () => {
    const raw = UNSEEN.filter((character) => !/^\\[nrtxu][\w{}]*$/.test(printable(character)));
    expect(raw.map((character) => character.codePointAt(0)?.toString(16))).toEqual([]);
  });

  test("writes escapes that name the character", () => {
    expect(printable("a\u202eb\u2066c\u200bd")).toBe("a\\u202eb\\u2066c\\u200bd");
    expect(printable("\x1b[2J\x9b31m\x7f\r\n\t")).toBe("\\x1b[2J\\x9b31m\\x7f\\r\\n\\t");
    expect(printable("\u{e0041}\ud800x")).toBe("\\u{e0041}\\ud800x");
  });

  test("leaves words of every script and emoji as they are", () => {
    for (const text of [
      "web-1",
      "données",
      "服务器",
      "שלום",
      "مرحبا",
      "ไทย",
      "e\u0301",
      "👩‍💻 ❤️ 1️⃣ 🇩🇪",
      "C:\\x",
    ]) {
      expect(printable(text)).toBe(text);
    }
  });

  test("takes a joiner or a selector outside of an emoji for what it is", () => {
    expect(printable("a\u200db")).toBe("a\\u200db");
    expect(printable("pay\ufe0fpal")).toBe("pay\\ufe0fpal");
    // The letters of a flag's tags could carry a text of their own.
    expect(printable("🏴\u{e0067}\u{e007f}")).toBe("🏴\\u{e0067}\\u{e007f}");
  });

  test("shows a text the same whether or not something in it is unseen", () => {
    const latin = fc.integer({ min: 0x20, max: 0x24f }).map((code) => String.fromCodePoint(code));
    fc.assert(
      fc.property(
        fc.string({ unit: fc.oneof(latin, fc.constantFrom("✓", "✗", "…", "\u0301", "©")) }),
        (text) => {
          expect(printable(`${text}\n`)).toBe(`${printable(text)}\\n`);
        },
      ),
    );
  });

  test("lets no pile of marks reach over the lines above", () => {
    expect(printable(`a${"\u0301".repeat(40)}`).replace(/\\u0301/g, "")).toBe(`a${"\u0301".repeat(8)}`);
  });

  test("cuts a long text with …, between characters and between escapes", () => {
    expect(printable("abcdef", 6)).toBe("abcdef");
    expect(printable("abcdefg", 6)).toBe("abcde…");
    expect(printable("ab\u202ecd", 6)).toBe("ab…");
    expect(printable("ab👍👍", 4)).toBe("ab…");
    expect(printable("x".repeat(20_000_000)).length).toBe(LONGEST_SHOWN);
    expect(printable("\x1b".repeat(20_000_000)).length).toBeLessThanOrEqual(LONGEST_SHOWN);
  });

  test("whatever it is, no control and no half of a pair is left, and it is no longer than allowed", () => {
    const nasty = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(...UNSEEN, "👩‍💻", "é", "❤️", "\\"));
    const text = fc.array(nasty, { maxLength: 60 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 80 }), (given, most) => {
        const shown = printable(given, most);
        expect(shown.isWellFormed()).toBe(true);
        expect(shown.length).toBeLessThanOrEqual(most);
        expect(shown).not.toMatch(
          /[\p{Cc}\p{Zl}\p{Zp}\p{Co}\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\u061c]/u,
        );
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("JSON", () => {
  test("is the same value, with nothing raw in it that acts on a terminal", () => {
    const value = { "k\u202e": UNSEEN.join(""), list: [`\x9b31m`, "👩‍💻", "服"] };
    for (const json of [printableJson(value), printableJson(value, 0)]) {
      expect(JSON.parse(json)).toEqual(value);
      expect(json).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e0fff}]/u);
    }
    expect(printableJson(value, 0)).not.toContain("\n");
    expect(printableJson(value)).toContain("👩‍💻");
  });

  test("says null of what JSON does not have", () => {
    expect(printableJson(undefined)).toBe("null");
  });
});
