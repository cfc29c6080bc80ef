import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  MAX_DATA_BYTES,
  MAX_OFFSET,
} from "../../../src/protocol/v2/frames.ts";

const channel = fc.integer({ min: 0, max: 0xffff_ffff });
const offset = fc.maxSafeNat().map((n) => n % (MAX_OFFSET + 1));
const stream = fc.constantFrom(0 as const, 1 as const, 2 as const);
const bytes = fc.uint8Array({ maxLength: 300 });
const pair = fc.tuple(offset, offset).map(([a, b]) => (a < b ? [a, b] : [b, a]) as [number, number]);

const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ kind: fc.constant("data" as const), stream, channel, offset, bytes }),
  fc.record({
    kind: fc.constant("zstd" as const),
    stream,
    channel,
    offset,
    length: fc.integer({ min: 0, max: MAX_DATA_BYTES }),
    bytes,
  }),
  fc
    .tuple(stream, channel, pair)
    .map(([s, c, [consumed, limit]]) => ({ kind: "ack" as const, stream: s, channel: c, consumed, limit })),
  fc.record({ kind: fc.constant("fin" as const), stream, channel, offset }),
  fc
    .tuple(stream, channel, pair)
    .map(([s, c, [from, to]]) => ({ kind: "gap" as const, stream: s, channel: c, from, to })),
  fc.record({ kind: fc.constant("screen" as const), stream, channel, position: offset, bytes }),
);

describe("the frames of rexec.v2", () => {
  test("come back as they were sent", () => {
    fc.assert(
      fc.property(anyFrame, (frame) => {
        expect(decodeFrame(encodeFrame(frame))).toEqual({ ok: true, frame });
      }),
      { numRuns: 2000 },
    );
  });

  test("arbitrary bytes give a frame or a reason, never an exception, and what decodes encodes to something that decodes the same", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        const decoded = decodeFrame(noise);
        if (!decoded.ok) return expect(decoded.reason).not.toBe("");
        expect(decodeFrame(encodeFrame(decoded.frame))).toEqual(decoded);
      }),
      { numRuns: 20_000 },
    );
  });

  test("cut anywhere inside the header they are invalid", () => {
    fc.assert(
      fc.property(channel, pair, (c, [consumed, limit]) => {
        const whole = encodeFrame({ kind: "ack", stream: 1, channel: c, consumed, limit });
        for (let length = 0; length < whole.length; length += 1) {
          expect(decodeFrame(whole.subarray(0, length)).ok).toBe(false);
        }
      }),
    );
  });

  test("a full DATA frame of a long session has at most 10 bytes beside its payload", () => {
    const frame = encodeFrame({
      kind: "data",
      stream: 1,
      channel: 3,
      offset: 2 ** 52,
      bytes: new Uint8Array(MAX_DATA_BYTES),
    });
    expect(frame.length - MAX_DATA_BYTES).toBeLessThanOrEqual(10);
  });

  test("too much payload is refused on both ways", () => {
    const bytes = new Uint8Array(MAX_DATA_BYTES + 1);
    expect(() => encodeFrame({ kind: "data", stream: 1, channel: 1, offset: 0, bytes })).toThrow(RangeError);
    const head = encodeFrame({ kind: "data", stream: 1, channel: 1, offset: 0, bytes: new Uint8Array(0) });
    expect(decodeFrame(new Uint8Array([...head, ...bytes])).ok).toBe(false);
  });

  test("a kind of a later version is unknown, not invalid", () => {
    expect(decodeFrame(new Uint8Array([0x71, 0, 0]))).toMatchObject({ ok: false, problem: "unknown" });
  });
});
