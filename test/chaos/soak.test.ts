/** Bounded, for every run of the tests; 10,000 reconnects and 1,000 sessions by hand: `bun run soak`. */
import { expect, test } from "bun:test";
import { described, soak } from "./soak.ts";

/** Of the second half, MB. A screen is up to 3 and a ring 2: what is left behind by each session shows soon. */
const MOST_GROWTH = 30;

test("memory stays as it is over 40 reconnects of both legs and 200 sessions", async () => {
  const { reconnects, sessions } = await soak({ reconnects: 40, sessions: 200 });
  for (const curve of [...reconnects.curves, ...sessions.curves]) {
    console.log(`      ${described(curve)}`);
    expect(curve.samples.length).toBeGreaterThan(20);
    expect(curve.growth).toBeLessThan(MOST_GROWTH);
  }
}, 120_000);
