/**
 * The fuzzers at length: from one seed after the other until one fails, `--count` cases are done, or Ctrl+C.
 *
 *   bun run fuzz [gateway] [--seed N] [--seconds N]    all attacks against one gateway, so many seconds a seed
 *   bun run fuzz screen [--seed N] [--count N]         terminal streams with resizes
 *   bun run fuzz link [--seed N] [--count N]           mutated frames and messages
 */
import { parseArgs } from "node:util";
import { say } from "./say.ts";

interface Target {
  /** Part of the test file's path. */
  file: string;
  /** Cases of one run of the file; each has a seed of its own. Runs of the gateway are counted in seconds. */
  round: number | null;
}

const TARGETS: Readonly<Record<string, Target>> = {
  gateway: { file: "test/hostile/fuzz.test", round: null },
  screen: { file: "test/screen/fuzz.test", round: 10_000 },
  link: { file: "test/link/fuzz.test", round: 100_000 },
};
/** The gateway's four fuzzers have a seed each. */
const SEEDS_A_RUN = 10;

const { values, positionals } = parseArgs({
  options: { seed: { type: "string" }, seconds: { type: "string" }, count: { type: "string" } },
  allowPositionals: true,
});
const [name = "gateway"] = positionals;
const target = TARGETS[name];
if (!target) {
  say(`error: there is no fuzzer "${name}". Try ${Object.keys(TARGETS).join(", ")}`);
  process.exit(2);
}
const { file, round } = target;
const seconds = values.seconds ?? "60";
const count = values.count === undefined ? Number.POSITIVE_INFINITY : Number(values.count);
for (let seed = Number(values.seed ?? 1), done = 0; done < count; ) {
  const cases = round === null ? SEEDS_A_RUN : Math.min(round, count - done);
  say(`seed ${seed}, ${round === null ? `${seconds} s` : `${cases} cases`}`);
  const env = { FUZZ_SEED: String(seed), FUZZ_SECONDS: seconds, FUZZ_COUNT: String(cases) };
  const run = Bun.spawnSync([process.execPath, "scripts/test.ts", file], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (!run.success) {
    const again = round === null ? "" : ` --count ${cases}`;
    say(`seed ${seed} failed: bun run fuzz ${name} --seed ${seed}${again} shows it again`);
    process.exit(1);
  }
  seed += cases;
  done += cases;
}
