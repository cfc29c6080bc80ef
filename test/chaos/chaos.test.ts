/**
 * What was sent is what arrived, in weather that no network has. By hand, for longer: `bun run chaos`.
 *
 * CHAOS_SEEDS="1 2 3" plays those; default: 1, and one by the clock. CHAOS_SECONDS=60 begins no round after so many.
 */
import { expect, test } from "bun:test";
import { playRound, type Round } from "./round.ts";

const seeds = (process.env.CHAOS_SEEDS ?? `1 ${Math.floor(Date.now() / 1000) % 1_000_000}`)
  .split(/[\s,]+/)
  .map(Number);
const seconds = Number(process.env.CHAOS_SECONDS ?? 60);
const begun = performance.now();

const plans: Omit<Round, "seed">[] = [
  { kind: "shell", megabytes: 10, cuts: 25, kills: 1 },
  { kind: "exec", megabytes: 40, cuts: 25, kills: 1 },
];

for (const seed of seeds) {
  for (const plan of plans) {
    const what = plan.kind === "shell" ? "a shell's" : "a command's";
    test(`${what} bytes arrive once and in order, both ways, over cuts of both legs and kill -9 of the gateway (seed ${seed})`, async () => {
      if (performance.now() - begun > seconds * 1000) {
        console.log(`seed ${seed} is left out: CHAOS_SECONDS=${seconds} are over`);
        return;
      }
      const { ok, line, report } = await playRound({ ...plan, seed });
      console.log(line);
      if (!ok) throw new Error(line);
      // Weather that never came would prove nothing.
      expect(report?.kills).toBe(plan.kills);
      expect(report?.cuts.agent).toBeGreaterThan(plan.cuts / 3);
      expect(report?.cuts.viewer).toBeGreaterThan(plan.cuts / 3);
    }, 240_000);
  }
}
