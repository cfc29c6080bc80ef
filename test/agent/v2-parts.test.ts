import { describe, expect, spyOn, test } from "bun:test";
import fc from "fast-check";
import { InputStream, InputStreams } from "../../src/agent/sessions/input-streams.ts";
import { Pace, type PaceReader } from "../../src/agent/sessions/pace.ts";
import { defaultRings, RingPool } from "../../src/agent/sessions/rings.ts";
import { zstd } from "../../src/lib/zstd.ts";
import { Packer } from "../../src/link/packer.ts";
import { PingGauge } from "../../src/link/ping-gauge.ts";
import { UNAPPLIED_BYTES } from "../../src/protocol/limits.ts";
import { decodeFrame, Stream } from "../../src/protocol/v2/frames.ts";
import { ByteRing } from "../../src/stream/byte-ring.ts";
import { StreamCursor } from "../../src/stream/stream.ts";
import { until } from "../support/wait.ts";

const MIB = 1024 * 1024;

describe("the pace of a terminal", () => {
  const reader = (ring: ByteRing, hold = true): PaceReader & { hold: boolean; cursor: StreamCursor } => ({
    cursor: new StreamCursor(ring, ring.end),
    hold,
    advance() {},
  });

  test("reads while one with a say wants more, and never over what the fastest of them has not consumed", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("print" as const), bytes: fc.integer({ min: 1, max: 65_536 }) }),
      fc.record({ kind: fc.constant("take" as const), who: fc.nat(2), window: fc.nat(3 * MIB) }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 128 * 1024, max: 2 * MIB }),
        fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
        fc.array(step, { maxLength: 80 }),
        (capacity, says, steps) => {
          const ring = new ByteRing(capacity);
          const pace = new Pace(ring, 1000, () => {});
          const readers = says.map((hold) => reader(ring, hold));
          for (const one of readers) pace.join(one);
          expect(pace.isHeld).toBe(says.some(Boolean));
          for (const each of steps) {
            const { wantsMore } = pace;
            const holding = readers.filter(({ hold }) => hold);
            if (wantsMore) expect(holding.some(({ cursor }) => ring.end < cursor.limit)).toBe(true);
            if (each.kind === "take") {
              const one = readers[each.who];
              while (one?.cursor.next(65_536)) {}
              one?.cursor.ack(one.cursor.sent, one.cursor.sent + each.window);
              continue;
            }
            if (!wantsMore) continue;
            const fastest = Math.max(...holding.map(({ cursor }) => cursor.consumed));
            ring.append(new Uint8Array(each.bytes));
            expect(ring.start).toBeLessThanOrEqual(fastest);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test("what was asked for stands for the hold time after a loss, and not at all after a goodbye", async () => {
    const ring = new ByteRing(MIB);
    let changes = 0;
    const pace = new Pace(ring, 60, () => {
      changes += 1;
    });
    const one = reader(ring);
    one.cursor.ack(0, 1000);
    pace.join(one);
    pace.leave(one, false);
    expect([pace.isHeld, pace.wantsMore]).toEqual([true, true]);
    ring.append(new Uint8Array(1000));
    expect([pace.isHeld, pace.wantsMore]).toEqual([true, false]);
    const before = changes;
    await until(() => !pace.isHeld, 2_000, "the end of the hold time");
    expect(changes).toBeGreaterThan(before);
    pace.join(one);
    pace.leave(one, true);
    expect(pace.isHeld).toBe(false);
  });

  test("one without a say is not waited for when it is lost", () => {
    const ring = new ByteRing(MIB);
    const pace = new Pace(ring, 1000, () => {});
    const one = reader(ring, false);
    pace.join(one);
    pace.leave(one, false);
    expect(pace.isHeld).toBe(false);
  });
});

describe("a viewer's input", () => {
  const all = Buffer.from(Array.from({ length: 300_000 }, () => Math.floor(Math.random() * 256)));

  test("arrives once and in order, however often it is sent again and wherever the line is cut", () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant("send" as const), bytes: fc.nat(9000) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("write" as const), bytes: fc.nat(20_000) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut" as const), back: fc.nat(60_000) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const typing = new InputStream();
        const got: Uint8Array[] = [];
        let [sent, queued] = [0, 0];
        for (const each of steps) {
          if (each.kind === "cut") sent = Math.max(0, typing.accepted - each.back);
          else if (each.kind === "write") {
            const bytes = Math.min(queued, each.bytes);
            typing.written(bytes);
            queued -= bytes;
          } else {
            const piece = all.subarray(sent, Math.min(sent + each.bytes, typing.limit));
            const fresh = typing.accept(sent, piece);
            if (!fresh) throw new Error("refused");
            got.push(fresh);
            queued += fresh.length;
            sent += piece.length;
          }
          expect(typing.limit - typing.applied).toBe(UNAPPLIED_BYTES);
          expect(typing.accepted - typing.applied).toBe(queued);
        }
        expect(Buffer.concat(got).equals(all.subarray(0, typing.accepted))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("with a hole in it, or more than was granted, is refused and changes nothing", () => {
    const typing = new InputStream();
    expect(typing.accept(1, new Uint8Array(1))).toBeNull();
    expect(typing.accept(0, new Uint8Array(UNAPPLIED_BYTES + 1))).toBeNull();
    expect([typing.accepted, typing.applied]).toEqual([0, 0]);
  });

  test("is remembered of 64 viewers: the longest silent goes first, and never one that is there", async () => {
    const typing = new InputStreams();
    for (const viewer of ["silent", "there", "busy"]) typing.of(viewer).accept(0, new Uint8Array(5));
    typing.of("there").onApplied = () => {};
    await Bun.sleep(2);
    typing.of("busy").accept(5, new Uint8Array(5));
    for (let other = 0; other < 62; other += 1) typing.of(`other-${other}`);
    expect([typing.of("there").accepted, typing.of("busy").accepted, typing.of("silent").accepted]).toEqual([
      5, 10, 0,
    ]);
  });
});

describe("the rings of all sessions", () => {
  test("keep within their budget, each its share, and grow again as sessions go", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 65_536, max: 4 * MIB }),
        fc.integer({ min: 4 * MIB, max: 64 * MIB }),
        fc.integer({ min: 1, max: 64 }),
        (ringSize, ringBudget, count) => {
          const pool = new RingPool({ ringSize, ringBudget });
          pool.serveV2();
          const rings = Array.from({ length: count }, () => pool.open());
          const total = rings.reduce((sum, { capacity }) => sum + capacity, 0);
          expect(total).toBeLessThanOrEqual(Math.max(ringBudget, count * 65_536));
          for (const ring of rings.slice(1)) pool.close(ring);
          expect(rings[0]?.capacity).toBe(Math.min(ringSize, ringBudget));
        },
      ),
    );
  });

  test("of sessions that have ended take no more than they hold, and leave the rest to those that run", () => {
    const pool = new RingPool({ ringSize: 2 * MIB, ringBudget: 4 * MIB });
    pool.serveV2();
    const [full, small, empty, live] = [pool.open(), pool.open(), pool.open(), pool.open()];
    full.append(new Uint8Array(3 * MIB));
    small.append(new Uint8Array(1000));
    for (const ring of [full, small, empty]) pool.settle(ring);
    expect([full.length, small.length, empty.length]).toEqual([MIB, 1000, 0]);
    expect(live.capacity).toBe(2 * MIB);
    const second = pool.open();
    expect(full.length + small.length + live.capacity + second.capacity).toBeLessThanOrEqual(4 * MIB);
    for (const ring of [full, small, empty, second]) pool.close(ring);
    expect([live.capacity, small.read(0, 1000).length]).toEqual([2 * MIB, 1000]);
  });

  test("are small while there is no server that resumes, and keep what they have when there is one", () => {
    const pool = new RingPool({ ringSize: 2 * MIB, ringBudget: 16 * MIB });
    const ring = pool.open();
    ring.append(new Uint8Array(100_000));
    expect(ring.length).toBe(65_536);
    pool.serveV2();
    expect([ring.length, ring.capacity, ring.end]).toEqual([65_536, 2 * MIB, 100_000]);
  });

  test("are smaller by themselves on a host with less than 1 GB", () => {
    expect(defaultRings(1023 * MIB)).toEqual({ ringSize: 512 * 1024, ringBudget: 4 * MIB });
    expect(defaultRings(1024 * MIB)).toEqual({ ringSize: 2 * MIB, ringBudget: 16 * MIB });
  });
});

describe("output that is packed", () => {
  const text = Buffer.from("-rw-r--r-- 1 root root 4096 Nov 23 01:18 some-file.txt\n".repeat(1300));
  const noise = crypto.getRandomValues(new Uint8Array(65_536));
  const send = (packer: Packer, bytes: Uint8Array, isSlow: boolean) => {
    const frame = { kind: "data", stream: Stream.output, channel: 7, offset: 2 ** 40, bytes } as const;
    const decoded = decodeFrame(packer.encode(frame, isSlow));
    if (!decoded.ok) throw new Error(decoded.reason);
    return decoded.frame;
  };

  test("is compressed on a slow line for a reader that can unpack it, where it shrinks, and gives back what was put in", () => {
    const piece = text.subarray(0, 65_536);
    const frame = send(new Packer(zstd), piece, true);
    if (frame.kind !== "zstd") throw new Error(frame.kind);
    expect(frame).toMatchObject({ channel: 7, offset: 2 ** 40, length: 65_536 });
    expect(frame.bytes.length).toBeLessThan(3_000);
    expect(Buffer.from(Bun.zstdDecompressSync(frame.bytes)).equals(piece)).toBe(true);
    expect(send(new Packer(null), piece, true).kind).toBe("data");
    expect(send(new Packer(zstd), piece, false).kind).toBe("data");
    expect(send(new Packer(zstd), text.subarray(0, 1000), true).kind).toBe("data");
  });

  test("that does not shrink goes as it is, and is not tried again for a while", () => {
    const packer = new Packer(zstd);
    const kinds = Array.from({ length: 20 }, (_, at) =>
      send(packer, at < 1 ? noise : text.subarray(0, 65_536), true),
    ).map(({ kind }) => kind);
    expect(kinds.slice(0, 9)).toEqual(Array.from({ length: 9 }, () => "data"));
    expect(kinds.slice(9)).toEqual(Array.from({ length: 11 }, () => "zstd"));
  });

  test("comes out as it went in, whatever it is", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.uint8Array({ maxLength: 4000 }), fc.integer({ min: 1, max: 16 })), {
          maxLength: 20,
        }),
        fc.boolean(),
        (pieces, isSlow) => {
          const packer = new Packer(zstd);
          for (const [bytes, times] of pieces) {
            const plain = Buffer.concat(Array.from({ length: times }, () => bytes));
            const frame = send(packer, plain, isSlow);
            if (frame.kind !== "data" && frame.kind !== "zstd") throw new Error(frame.kind);
            const back = frame.kind === "zstd" ? Bun.zstdDecompressSync(frame.bytes) : frame.bytes;
            expect(plain.equals(back)).toBe(true);
          }
        },
      ),
    );
  });
});

describe("the gauge of the line", () => {
  /**
   * Sends frames over a line of so many bytes a second, whose round trip is `rttMs`, for `ms`, on a clock of its own.
   * @param held most bytes that the socket and the kernel hold
   */
  function play(
    rate: number | ((ms: number) => number),
    rttMs: number,
    ms: number,
    { frame = 16_384, held = Number.POSITIVE_INFINITY } = {},
  ) {
    const bytesPerSecond = typeof rate === "number" ? () => rate : rate;
    let slowSince = -1;
    const clock = spyOn(performance, "now");
    const pings: { id: string; after: number; at: number }[] = [];
    let [sent, arrived, most, now] = [0, 0, 0, 0];
    clock.mockImplementation(() => now);
    try {
      const gauge = new PingGauge((id) => void pings.push({ id, after: sent, at: 0 }));
      for (; now < ms; now += 1) {
        while (gauge.hasRoom && sent - arrived < held) {
          sent += frame + 8;
          gauge.sent(frame);
        }
        arrived = Math.min(sent, arrived + bytesPerSecond(now) / 1000);
        if (now > ms / 2) most = Math.max(most, sent - arrived);
        for (const ping of pings) if (ping.at === 0 && arrived >= ping.after) ping.at = now + rttMs;
        for (let first = pings[0]; first && first.at > 0 && first.at <= now; first = pings[0]) {
          pings.shift();
          gauge.answered(first.id);
        }
        if (!gauge.isSlow) slowSince = -1;
        else if (slowSince < 0) slowSince = now;
      }
      return { arrived, most, isSlow: gauge.isSlow, slowSince };
    } finally {
      clock.mockRestore();
    }
  }

  test("keeps a slow line full with less than half a second of bytes on it", () => {
    const { arrived, most, isSlow } = play(100_000, 30, 10_000);
    expect(isSlow).toBe(true);
    expect(most).toBeLessThan(50_000);
    expect(arrived).toBeGreaterThan(950_000);
  });

  test("fills a fast one, near or far", () => {
    for (const [rate, rtt] of [
      [200_000_000, 1],
      [20_000_000, 100],
    ] as const) {
      const { arrived, isSlow } = play(rate, rtt, 4_000);
      expect(isSlow).toBe(false);
      expect(arrived).toBeGreaterThan(rate * 2.8); // of 4 s, in which it finds the size of the line
    }
  });

  test("sees soon that a fast line has become a slow one", () => {
    for (const [rate, limitMs] of [
      [100_000, 3_000],
      [10_000, 20_000],
    ] as const) {
      const turn = (ms: number) => (ms < 2_000 ? 20_000_000 : rate);
      const { slowSince } = play(turn, 20, 30_000, { held: 128 * 1024 });
      expect(slowSince).toBeGreaterThan(2_000);
      expect(slowSince).toBeLessThan(2_000 + limitMs);
    }
  });

  test("waits for no answer where there is none for 3 s, and takes one twice or out of order for what it is", () => {
    const clock = spyOn(performance, "now");
    let now = 1_000;
    clock.mockImplementation(() => now);
    try {
      const ids: string[] = [];
      const gauge = new PingGauge((id) => void ids.push(id));
      const hasRoom = () => gauge.hasRoom;
      while (hasRoom()) gauge.sent(2_000);
      now += 2_900;
      expect(hasRoom()).toBe(false);
      now += 200;
      expect(hasRoom()).toBe(true);
      for (const id of [ids.at(-1), ids[0], "nonsense", ids.at(-1)]) gauge.answered(id ?? "");
      now += 1;
      gauge.sent(20_000);
      expect(hasRoom()).toBe(false);
      gauge.answered(ids.at(-1) ?? "");
      expect(hasRoom()).toBe(true);
    } finally {
      clock.mockRestore();
    }
  });
});
