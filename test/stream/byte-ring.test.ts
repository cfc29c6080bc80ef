import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteRing } from "../../src/stream/byte-ring.ts";

const operation = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("append" as const), bytes: fc.uint8Array({ maxLength: 6000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("discard" as const), to: fc.nat(8000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("resize" as const),
      capacity: fc.integer({ min: 1, max: 9000 }),
    }),
  },
);

describe("a byte ring", () => {
  test("holds the last bytes of all that was appended, whatever was done to it", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9000 }),
        fc.nat(2 ** 40),
        fc.array(operation, { maxLength: 30, minLength: 1 }),
        (firstCapacity, origin, operations) => {
          const ring = new ByteRing(firstCapacity, origin);
          let all = Buffer.alloc(0);
          let start = origin;
          let capacity = firstCapacity;
          for (const step of operations) {
            if (step.kind === "append") {
              ring.append(step.bytes);
              all = Buffer.concat([all, step.bytes]);
            } else if (step.kind === "discard") {
              ring.discardBefore(origin + step.to, step.to % 2 === 0);
              start = Math.min(origin + all.length, Math.max(start, origin + step.to));
            } else {
              capacity = step.capacity;
              ring.resize(capacity);
            }
            const end = origin + all.length;
            start = Math.max(start, end - capacity);
            expect([ring.start, ring.end]).toEqual([start, end]);
            expect(all.subarray(start - origin).equals(ring.read(start, 1e9))).toBe(true);
            const head = ring.view(start, 1e9);
            const tail = ring.view(start + head.length, 1e9);
            expect(all.subarray(start - origin).equals(Buffer.concat([head, tail]))).toBe(true);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("refuses an offset that it does not hold", () => {
    const ring = new ByteRing(4);
    ring.append(new Uint8Array(10));
    expect(() => ring.read(5, 1)).toThrow(RangeError);
    expect(() => ring.read(11, 1)).toThrow(RangeError);
    expect(() => ring.view(5, 1)).toThrow(RangeError);
    expect(() => ring.view(11, 1)).toThrow(RangeError);
  });
});
