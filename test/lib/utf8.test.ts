import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { unfinishedTail } from "../../src/lib/utf8.ts";
import { Utf8Splitter } from "../support/utf8-splitter.ts";

const anyBytes = fc.uint8Array({ maxLength: 200 });
/** Text with characters of one to four bytes, as bytes. */
const anyText = fc.string({ unit: "binary", maxLength: 60 }).map((text) => new TextEncoder().encode(text));
const cuts = fc.array(fc.nat({ max: 240 }), { maxLength: 12 });

describe("Utf8Splitter", () => {
  test("hands on every byte, in order, however the stream is cut", () => {
    fc.assert(
      fc.property(anyBytes, cuts, (bytes, at) => {
        expect(Buffer.concat(push(pieces(bytes, at)))).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 500 },
    );
  });

  test("gives pieces that each decode by themselves where the whole stream is valid", () => {
    const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    fc.assert(
      fc.property(anyText, cuts, (bytes, at) => {
        const parts = push(pieces(bytes, at)).map((piece) => strict.decode(piece));
        expect(parts.join("")).toBe(strict.decode(bytes));
      }),
      { numRuns: 500 },
    );
  });

  test("decodes piece by piece to the same text as the stream as a whole, valid or not", () => {
    fc.assert(
      fc.property(anyBytes, cuts, (bytes, at) => {
        const lenient = new TextDecoder("utf-8", { ignoreBOM: true });
        const parts = push(pieces(bytes, at)).map((piece) => lenient.decode(piece));
        expect(parts.join("")).toBe(lenient.decode(bytes));
      }),
      { numRuns: 1000 },
    );
  });

  test("never holds back more than three bytes", () => {
    fc.assert(
      fc.property(anyBytes, cuts, (bytes, at) => {
        const splitter = new Utf8Splitter();
        for (const piece of pieces(bytes, at)) {
          splitter.push(piece);
          expect(splitter.pending).toBeLessThanOrEqual(3);
        }
      }),
    );
  });

  test("keeps emoji and CJK whole at every offset they can be cut at", () => {
    const bytes = new TextEncoder().encode("a👩‍👩‍👧é漢字🇩🇪\u{10FFFF}z");
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const texts = push([bytes.subarray(0, cut), bytes.subarray(cut)]).map((piece) =>
        new TextDecoder("utf-8", { fatal: true }).decode(piece),
      );
      expect(texts.join("")).toBe("a👩‍👩‍👧é漢字🇩🇪\u{10FFFF}z");
    }
  });

  test("does not keep the caller's buffer: it may be used again", () => {
    const splitter = new Utf8Splitter();
    const buffer = new Uint8Array([0x61, 0xe6, 0xbc]);
    splitter.push(buffer);
    buffer.fill(0);
    expect([...splitter.push(new Uint8Array([0xa2]))]).toEqual([0xe6, 0xbc, 0xa2]);
  });

  test("gives the unfinished rest at the end", () => {
    const splitter = new Utf8Splitter();
    expect([...splitter.push(new Uint8Array([0xf0, 0x9f, 0x98]))]).toEqual([]);
    expect([...splitter.flush()]).toEqual([0xf0, 0x9f, 0x98]);
    expect([...splitter.flush()]).toEqual([]);
  });
});

describe("unfinishedTail", () => {
  test.each([
    [[], 0],
    [[0x61], 0],
    [[0xc3], 1],
    [[0xe6, 0xbc], 2],
    [[0xf0, 0x9f, 0x98], 3],
    [[0xf0, 0x9f, 0x98, 0x80], 0],
    // What can never become valid is not waited for.
    [[0xe0, 0x80], 0],
    [[0xed, 0xa0], 0],
    [[0xf0, 0x80], 0],
    [[0xf4, 0x90], 0],
    [[0xf5], 0],
    [[0xc0], 0],
    [[0xff], 0],
    [[0x80, 0x80, 0x80], 0],
  ])("of %j is %i", (bytes, length) => {
    expect(unfinishedTail(new Uint8Array(bytes))).toBe(length);
  });
});

function pieces(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const edges = [...new Set([0, ...at.map((cut) => Math.min(cut, bytes.length)), bytes.length])].sort(
    (a, b) => a - b,
  );
  return edges.slice(1).map((end, index) => bytes.slice(edges[index], end));
}

function push(parts: readonly Uint8Array[]): Uint8Array[] {
  const splitter = new Utf8Splitter();
  return [...parts.map((part) => splitter.push(part)), splitter.flush()];
}
