import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { dialLimit, pauseLeft } from "../../src/lib/dialing.ts";

describe("a dial while somebody waits", () => {
  test("is given up after a second, so that the next one finds a line that is back; now and then it gets longer", () => {
    const limits = Array.from({ length: 17 }, (_, failures) => dialLimit(failures, 20));
    const [q, a, b, c] = [1_000, 4_000, 8_000, 20_000];
    expect(limits).toEqual([q, q, q, q, a, q, q, q, b, q, q, q, c, q, q, q, c]);
  });

  test("gets four times what the line is known to take, up to 4 s", () => {
    expect(dialLimit(1, 600)).toBe(2_400);
    expect(dialLimit(1, 5_000)).toBe(4_000);
    expect(dialLimit(1, null)).toBe(1_000);
  });

  test("always has a limit, and a slow line of 8 s gets through within twelve tries", () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.option(fc.nat(1e6)), (failures, tookMs) => {
        const limit = dialLimit(failures, tookMs);
        expect(limit).toBeGreaterThanOrEqual(1_000);
        expect(limit).toBeLessThanOrEqual(20_000);
      }),
    );
    expect(Math.max(...Array.from({ length: 12 }, (_, n) => dialLimit(n, null)))).toBe(8_000);
  });

  test("that timed out has waited already", () => {
    expect(pauseLeft(700, 20)).toBe(680);
    expect(pauseLeft(700, 1_000)).toBe(0);
  });
});
