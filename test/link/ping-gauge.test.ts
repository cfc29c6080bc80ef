import { expect, test } from "bun:test";
import { PingGauge } from "../../src/link/ping-gauge.ts";

test("a line that answers no ping is asked a bounded number of times, whatever is sent over it", () => {
  const pings: string[] = [];
  const gauge = new PingGauge((id) => pings.push(id));
  for (let sent = 0; sent < 3_600_000_000; sent += 64 * 1024) gauge.sent(64 * 1024);
  expect(pings.length).toBeLessThanOrEqual(256);
  // An answer that does come counts, and the line is measured again.
  gauge.answered(pings.at(-1) ?? "");
  const asked = pings.length;
  for (let sent = 0; sent < 64 * 1024 * 1024; sent += 64 * 1024) gauge.sent(64 * 1024);
  expect(pings.length).toBeGreaterThan(asked);
  expect(pings.length).toBeLessThanOrEqual(asked + 256);
});

test("small frames, a fabricated answer and one that comes twice grow nothing either", () => {
  const pings: string[] = [];
  const gauge = new PingGauge((id) => pings.push(id));
  for (let i = 0; i < 2_000_000; i += 1) gauge.sent(1);
  expect(pings.length).toBeLessThanOrEqual(256);
  const before = gauge.hasRoom;
  for (const id of ["0", "x", "999999999", ""]) gauge.answered(id);
  expect(gauge.hasRoom).toBe(before);
});
