import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Backoff, RECONNECT } from "../../src/lib/backoff.ts";

describe("Backoff", () => {
  test("draws each delay from zero to a ceiling that doubles up to the cap", () => {
    const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.array(unit, { minLength: 1, maxLength: 60 }), (draws) => {
        let drawn = 0;
        const backoff = new Backoff({ ...RECONNECT, random: () => draws[drawn] ?? 0 });
        for (const [attempt, draw] of draws.entries()) {
          drawn = attempt;
          const ceiling = Math.min(30_000, 1_000 * 2 ** attempt);
          expect(backoff.next()).toBe(draw * ceiling);
          expect(backoff.attempt).toBe(attempt + 1);
        }
      }),
    );
  });

  test("makes the first try within a second and none later than 30 s", () => {
    const backoff = new Backoff({ ...RECONNECT, random: () => 0.999_999 });
    expect(backoff.next()).toBeLessThan(1_000);
    const later = Array.from({ length: 2_000 }, () => backoff.next());
    expect(Math.max(...later)).toBeLessThan(30_000);
    expect(later.every(Number.isFinite)).toBe(true);
  });

  test("forgets its failures after a minute of health, and not before", () => {
    const backoff = new Backoff({ ...RECONNECT, random: () => 0.5 });
    for (let i = 0; i < 5; i += 1) backoff.next();
    backoff.connectionLived(59_999);
    expect(backoff.next()).toBe(15_000);
    backoff.connectionLived(60_000);
    expect(backoff.next()).toBe(500);
  });

  test("spreads a thousand agents evenly over the delay, rather than in step", () => {
    const delays = Array.from({ length: 1_000 }, () => new Backoff(RECONNECT).next());
    const tenths = Array.from(
      { length: 10 },
      (_, tenth) => delays.filter((ms) => Math.floor(ms / 100) === tenth).length,
    );
    // 100 expected in each, standard deviation 9.5: outside of 40 to 160 once in many millions of runs.
    for (const count of tenths) {
      expect(count).toBeGreaterThan(40);
      expect(count).toBeLessThan(160);
    }
  });
});
