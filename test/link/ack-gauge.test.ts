import { describe, expect, test } from "bun:test";
import { AckGauge } from "../../src/link/ack-gauge.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Sends pieces of 64 KiB that travel as `ratio` of it, over a line of so many bytes a second, for `ms`. */
function play(gauge: AckGauge, ratio: number, bytesPerSecond: number, ms: number) {
  const piece = 64 * KIB;
  let [sent, onLine, most] = [0, 0, 0];
  const flying: { end: number; wire: number }[] = [];
  for (let now = 0; now < ms; now += 1) {
    while (gauge.hasRoom && flying.length < 16) {
      sent += piece;
      gauge.sent(sent, piece * ratio);
      flying.push({ end: sent, wire: piece * ratio });
      onLine += piece * ratio;
    }
    most = now < ms / 2 ? 0 : Math.max(most, onLine);
    for (let budget = bytesPerSecond / 1000; budget > 0 && flying[0]; ) {
      const [first] = flying;
      const part = Math.min(budget, first.wire);
      first.wire -= part;
      onLine -= part;
      budget -= part;
      if (first.wire > 0) break;
      flying.shift();
      gauge.consumed(first.end, now);
    }
  }
  return { sent, most };
}

describe("the gauge of a line", () => {
  test("keeps a slow line slow, however much output shrinks, and bounds what stands on it", () => {
    const gauge = new AckGauge();
    const { most } = play(gauge, 0.05, 100_000, 4_000);
    expect(gauge.isSlow).toBe(true);
    expect(most).toBeLessThan(50_000);
    // What does not shrink any more finds a bound that the line measures, and not the reader's megabyte.
    expect(play(gauge, 1, 100_000, 4_000).most).toBeLessThan(110_000);
  });

  test("a fast line is not slow, and is never waited for", () => {
    const gauge = new AckGauge();
    expect(gauge.isSlow).toBe(true);
    const { sent } = play(gauge, 1, 100_000_000, 1_000);
    expect(gauge.isSlow).toBe(false);
    expect(sent).toBeGreaterThan(90 * MIB);
  });

  test("acks that come twice, late, or in the middle of a frame change nothing", () => {
    const gauge = new AckGauge();
    gauge.sent(1_000, 20_000);
    expect(gauge.hasRoom).toBe(false);
    for (const offset of [0, 999, 0]) gauge.consumed(offset, 1);
    expect(gauge.hasRoom).toBe(false);
    for (const offset of [1_000, 1_000, 500]) gauge.consumed(offset, 2);
    expect(gauge.hasRoom).toBe(true);
  });
});
