/**
 * The fuzzers of `test/hostile/fuzz.test.ts`, from one seed after the other until one fails or Ctrl+C.
 *
 *   bun run fuzz [--seed N] [--seconds N]
 */
import { parseArgs } from "node:util";
import { say } from "./say.ts";

const { values } = parseArgs({ options: { seed: { type: "string" }, seconds: { type: "string" } } });
const seconds = values.seconds ?? "60";
for (let seed = Number(values.seed ?? 1); ; seed += 10) {
  say(`seed ${seed}, ${seconds} s`);
  const run = Bun.spawnSync([process.execPath, "scripts/test.ts", "test/hostile/fuzz"], {
    env: { ...process.env, FUZZ_SEED: String(seed), FUZZ_SECONDS: seconds },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (!run.success) {
    say(`seed ${seed} failed: bun run fuzz --seed ${seed} shows it again`);
    process.exit(1);
  }
}
