import { expect, test } from "bun:test";
import fc from "fast-check";
import { assembled } from "../../../scripts/wasm.ts";
import { ESCAPE_WASM } from "../../../src/gateway/recordings/escape-wasm.ts";
import { ESCAPED_BYTES, Escaper, MOST_ESCAPED } from "../../../src/gateway/recordings/escaper.ts";

const escaper = new Escaper();
const decode = (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
const escaped = (bytes: Uint8Array, last = true) => {
  const { json, taken } = escaper.escape(bytes, last);
  return { text: Buffer.from(json).toString(), taken };
};
/** Bytes as a terminal has them, and as it should not: text, escapes, halves of characters. */
const output = fc
  .array(
    fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => Buffer.from(text)),
      fc.constantFrom("\x1b[31m", '"\\', "\r\n", "\ufeff", "漢字", "\u2028").map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 40 }),
    ),
    { maxLength: 30 },
  )
  .map((parts) => Uint8Array.from(Buffer.concat(parts)));

test("the module in the program is the source, assembled", async () => {
  expect(Buffer.from(await assembled()).toString("base64")).toBe(ESCAPE_WASM);
});

test("bytes become what JSON.stringify makes of their text", () => {
  fc.assert(
    fc.property(output, (bytes) => {
      expect(`"${escaped(bytes).text}"`).toBe(JSON.stringify(decode(bytes)));
    }),
    { numRuns: 3_000 },
  );
});

test("the cuts between calls change nothing", () => {
  fc.assert(
    fc.property(output, fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1 }), (bytes, sizes) => {
      let text = "";
      let open: Uint8Array = new Uint8Array(0);
      for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1;
        const piece = Uint8Array.from([...open, ...bytes.subarray(at, at + size)]);
        at += size;
        const part = escaped(piece, at >= bytes.length);
        text += part.text;
        open = piece.subarray(part.taken);
        expect(open.length).toBeLessThan(4);
      }
      expect(`"${text}"`).toBe(JSON.stringify(decode(bytes)));
    }),
    { numRuns: 2_000 },
  );
});

test("a full piece of the worst bytes fits", () => {
  for (const byte of [0, 0x1b, 0x22, 0x80, 0xff]) {
    const bytes = new Uint8Array(ESCAPED_BYTES).fill(byte);
    const { text } = escaped(bytes);
    expect(text.length).toBeLessThanOrEqual(MOST_ESCAPED);
    expect(`"${text}"`).toBe(JSON.stringify(decode(bytes)));
  }
});
