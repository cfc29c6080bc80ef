import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { OutputBuffer } from "../../src/agent/v1/output-buffer.ts";
import { type FrameSource, Sender } from "../../src/link/sender.ts";

describe("the output buffer", () => {
  test("gives back exactly what was put in, whatever the pieces, and knows its offsets", () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ minLength: 9_000, maxLength: 20_000 }),
    );
    const step = fc.oneof(
      { arbitrary: piece, weight: 3 },
      { arbitrary: fc.integer({ min: 4, max: 30_000 }), weight: 2 },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const buffer = new OutputBuffer();
        const put: Uint8Array[] = [];
        const got: Uint8Array[] = [];
        for (const next of steps) {
          if (typeof next === "number") got.push(buffer.take(next, false));
          else {
            put.push(next.slice());
            buffer.push(next);
          }
          const [all, taken] = [put, got].map((list) => list.reduce((sum, each) => sum + each.length, 0));
          expect([buffer.start, buffer.end, buffer.length]).toEqual([
            taken ?? 0,
            all ?? 0,
            (all ?? 0) - (taken ?? 0),
          ]);
        }
        while (buffer.length > 0) got.push(buffer.take(65_536, true));
        expect(Buffer.concat(got).equals(Buffer.concat(put))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("never splits a character, at whatever offset the output is cut", () => {
    const text = "aé€日本🙂👩‍👩‍👧‍👦z\r\n".repeat(3);
    const bytes = new TextEncoder().encode(text);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      for (const max of [4, 5, 7, 64]) {
        const buffer = new OutputBuffer();
        let seen = "";
        const takeAll = (final: boolean) => {
          while (buffer.canTake(final))
            seen += new TextDecoder("utf-8", { fatal: true }).decode(buffer.take(max, final));
        };
        buffer.push(bytes.slice(0, cut));
        takeAll(false);
        buffer.push(bytes.slice(cut));
        takeAll(true);
        expect(seen).toBe(text);
      }
    }
  });

  test("holds an unfinished character back, and lets go of it at the end", () => {
    const buffer = new OutputBuffer();
    buffer.push(Uint8Array.of(0xe6, 0x97));
    expect(buffer.canTake(false)).toBe(false);
    expect(buffer.canTake(true)).toBe(true);
    expect(buffer.take(64, true)).toEqual(Uint8Array.of(0xe6, 0x97));
  });
});

/** A source of `frames` frames that says it has `size` bytes while it has any. */
class Frames implements FrameSource {
  sent = 0;
  constructor(
    readonly name: string,
    readonly size: number,
    readonly frames: number,
  ) {}
  get pending(): number {
    return this.sent < this.frames ? this.size : 0;
  }
  takeFrame(): string | null {
    if (this.sent >= this.frames) return null;
    this.sent += 1;
    return this.name;
  }
}

class TestLine {
  sent: string[] = [];
  buffered = 0;
  dropped: string | null = null;
  send(frame: string | Uint8Array): void {
    this.sent.push(String(frame));
  }
  drop(reason: string): void {
    this.dropped = reason;
  }
  fail(reason: string): void {
    this.dropped = reason;
  }
}

describe("the sender", () => {
  test("sends an echo before what floods, and the floods in turn", () => {
    const sender = new Sender();
    const [a, b, echo] = [new Frames("a", 900_000, 3), new Frames("b", 900_000, 3), new Frames("echo", 2, 1)];
    for (const source of [a, b, echo]) sender.ready(source);
    const line = new TestLine();
    sender.attach(line);
    expect(line.sent).toEqual(["echo", "a", "b", "a", "b", "a", "b"]);
    sender.detach();
  });

  test("lets a flood have its turn among many small ones", () => {
    const sender = new Sender();
    sender.ready(new Frames("big", 900_000, 1));
    sender.ready(new Frames("small", 10, 1_000));
    const line = new TestLine();
    sender.attach(line);
    expect(line.sent.indexOf("big")).toBeWithin(1, 32);
    sender.detach();
  });

  test("sends an echo at once, however much of a flood it has sent just before", () => {
    const sender = new Sender();
    const line = new TestLine();
    const chunk = "x".repeat(60_000);
    sender.attach(line);
    sender.ready(new Frames("first echo", 1, 1));
    for (let count = 0; count < 8; count += 1) sender.ready(new Frames(chunk, chunk.length, 1));
    sender.ready(new Frames("second echo", 1, 1));
    expect(line.sent).toEqual(["first echo", ...Array(8).fill(chunk), "second echo"]);
    sender.detach();
  });

  test("gathers many small frames", () => {
    const sender = new Sender();
    const line = new TestLine();
    sender.attach(line);
    const start = performance.now();
    let count = 0;
    for (; count < 100; count += 1) sender.ready(new Frames(`small ${count}`, 1, 1));
    const windows = 1 + Math.floor((performance.now() - start) / 2);
    expect(line.sent.length).toBeLessThanOrEqual(3 * windows);
    sender.detach();
  });

  test("goes on with the others where one source throws, now and later", () => {
    const faults: unknown[] = [];
    const sender = new Sender({ onFault: (error) => faults.push(error) });
    const line = new TestLine();
    const broken = {
      pending: 1,
      takeFrame() {
        throw new Error("planted");
      },
    };
    let left = 3;
    const good = {
      get pending() {
        return left;
      },
      takeFrame: () => (left > 0 ? `good ${left--}` : null),
    };
    sender.attach(line);
    sender.ready(broken);
    sender.ready(good);
    sender.urgent(broken);
    sender.flush();
    sender.control("answer");
    expect(line.sent).toEqual(["good 3", "good 2", "good 1", "answer"]);
    expect(faults).toHaveLength(2);
    sender.detach();
  });

  test("takes no output while the line is full, and control messages first when it has room", async () => {
    const sender = new Sender({ highWater: 1_000 });
    const line = new TestLine();
    line.buffered = 1_000;
    sender.attach(line);
    const source = new Frames("output", 900_000, 1);
    sender.ready(source);
    sender.control("control");
    for (let ping = 0; ping < 50; ping += 1) sender.pong("pong");
    expect(line.sent).toEqual([]);
    expect(source.sent).toBe(0);
    line.buffered = 0;
    await sender.drained();
    expect(line.sent).toEqual(["pong", "control", "output"]);
    sender.detach();
  });

  test("drops a line that never takes the answers, instead of keeping them", () => {
    const sender = new Sender({ maxControl: 100 });
    const line = new TestLine();
    line.buffered = 10_000_000;
    sender.attach(line);
    for (let count = 0; count < 101; count += 1) sender.control("answer");
    expect(line.dropped).toContain("does not read");
    sender.detach();
  });
});
