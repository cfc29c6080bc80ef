import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteRing } from "../../src/stream/byte-ring.ts";
import { StreamCursor, StreamReceiver } from "../../src/stream/stream.ts";

const step = fc.oneof(
  fc.record({ kind: fc.constant("print" as const), bytes: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({ kind: fc.constant("send" as const), max: fc.integer({ min: 1, max: 200 }) }),
  fc.record({ kind: fc.constant("ack" as const), window: fc.nat(400) }),
  fc.record({ kind: fc.constant("cut" as const) }),
);

describe("a stream from a ring to a reader", () => {
  test("brings each byte once and in order, or says which are gone, and keeps to what was granted", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 600 }), fc.array(step, { maxLength: 100 }), (capacity, steps) => {
        const ring = new ByteRing(capacity);
        const receiver = new StreamReceiver(0);
        let cursor = new StreamCursor(ring, 0);
        let printed = Buffer.alloc(0);
        let granted = 0;
        for (const each of steps) {
          if (each.kind === "print") {
            ring.append(each.bytes);
            printed = Buffer.concat([printed, each.bytes]);
          } else if (each.kind === "ack") {
            granted = Math.max(granted, receiver.next + each.window);
            expect(cursor.ack(receiver.next, receiver.next + each.window)).toBe(true);
          } else if (each.kind === "cut") {
            cursor = new StreamCursor(ring, receiver.next);
            granted = receiver.next;
          } else {
            const { ready } = cursor;
            const piece = cursor.next(each.max);
            expect(piece !== null).toBe(ready);
            if (piece?.kind === "gap") {
              expect(piece).toEqual({ kind: "gap", from: receiver.next, to: ring.start });
              receiver.skip(piece.to);
            } else if (piece) {
              expect(piece.offset + piece.bytes.length).toBeLessThanOrEqual(granted);
              const fresh = receiver.accept(piece.offset, piece.bytes);
              const { next } = receiver;
              expect(fresh && printed.subarray(next - fresh.length, next).equals(fresh)).toBe(true);
            }
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("that stands still hears of one gap, once it takes something again", () => {
    const ring = new ByteRing(10);
    const cursor = new StreamCursor(ring, 0);
    for (let at = 0; at < 5; at += 1) {
      ring.append(new Uint8Array(10));
      expect([cursor.ready, cursor.next(100)]).toEqual([false, null]);
    }
    cursor.ack(0, 4);
    expect(cursor.next(100)).toEqual({ kind: "gap", from: 0, to: 40 });
    expect(cursor.next(100)).toBeNull();
    cursor.ack(40, 44);
    expect(cursor.next(100)).toMatchObject({ offset: 40, bytes: new Uint8Array(4) });
  });

  test("takes an ack of bytes that are gone, and none of bytes that were never sent", () => {
    const ring = new ByteRing(10);
    ring.append(new Uint8Array(30));
    const cursor = new StreamCursor(ring, 5);
    expect(cursor.ack(21, 30)).toBe(false);
    expect(cursor.ack(20, 30)).toBe(true);
    expect(cursor.next(100)).toMatchObject({ kind: "data", offset: 20 });
  });
});
