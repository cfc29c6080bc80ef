import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fromBytes, shownOf, toBytes } from "../../src/lib/os-string.ts";

const byte = fc.constantFrom(
  0x41,
  0x0a,
  0x80,
  0xbf,
  0xc3,
  0xa9,
  0xe2,
  0x82,
  0xac,
  0xed,
  0xb2,
  0xf0,
  0x9f,
  0xff,
);

describe("bytes as a string", () => {
  test("are the same bytes again, whatever they are", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      fc.uint8Array().map(() => new Uint8Array(0)),
    );
    const nasty = fc.array(byte, { maxLength: 12 }).map((list) => Uint8Array.from(list));
    fc.assert(
      fc.property(fc.oneof(bytes, nasty), (all) => {
        expect([...toBytes(fromBytes(all))]).toEqual([...all]);
      }),
      { numRuns: 2_000 },
    );
  });

  test("are the text where they are UTF-8, U+FFFD and a byte order mark included", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(fromBytes(Buffer.from(text))).toBe(text);
      }),
    );
    for (const text of ["\ufffd", "\ufeffa", "漢🎉"]) expect(fromBytes(Buffer.from(text))).toBe(text);
  });

  test("are known by not being well-formed, and shown as escapes", () => {
    const odd = fromBytes(Uint8Array.of(0x61, 0xff, 0xc3, 0xa9, 0x80));
    expect(odd.isWellFormed()).toBe(false);
    expect(shownOf(odd)).toBe("a\\xffé\\x80");
    // Of a peer's text, not of ours: no byte is such a half of a pair.
    for (const half of ["\ud800", "\udbff", "\udc00", "\udc7f", "\udd00"])
      expect(shownOf(`${half}x`)).toBe(`${half}x`);
  });
});
