/** When a silent peer is given up, on a clock of the test's own. */
import { expect, test } from "bun:test";
import { Liveness } from "../../src/link/liveness.ts";

const TIMES = { pingMs: 3_000, deadMs: 8_000 };
const EVERY_MS = 1_000;
/** Between two looks of a process that is always behind. */
const LATE_MS = 4_000;

/** Looks every so often until the peer is dead. @returns when that was, or null where it never came */
function deadAt(liveness: Liveness, everyMs: number, untilMs: number): number | null {
  for (let now = everyMs; now <= untilMs; now += everyMs) if (liveness.look(now) === "dead") return now;
  return null;
}

test.each([[false], [true]])("a silent peer is dead on time (pings only in silence: %p)", (onlySilent) => {
  const liveness = new Liveness({ ...TIMES, onlySilent }, EVERY_MS, 0);
  expect(deadAt(liveness, EVERY_MS, 60_000)).toBe(TIMES.deadMs);
});

test("a process that stood still gives up no peer whose words it has not read", () => {
  const liveness = new Liveness(TIMES, EVERY_MS, 0);
  expect(liveness.look(600_000)).toBe("ping");
  liveness.heard(600_001);
  expect(liveness.look(601_000)).toBeNull();
});

test.each([[LATE_MS], [30_000]])(
  "a process that is %d ms late each time gives up a dead peer too",
  (everyMs) => {
    const liveness = new Liveness(TIMES, EVERY_MS, 0);
    expect(deadAt(liveness, everyMs, 100 * everyMs)).toBeLessThanOrEqual(TIMES.deadMs + 6 * everyMs);
  },
);

test("a process that is late each time keeps a peer that answers now and then", () => {
  const liveness = new Liveness(TIMES, EVERY_MS, 0);
  for (let look = 1; look < 1_000; look += 1) {
    expect(liveness.look(look * LATE_MS)).not.toBe("dead");
    if (look % 4 === 0) liveness.heard(look * LATE_MS);
  }
});
