/**
 * Network faults for as long as you like: `bun run chaos`. Each round sends a stream each way through a shell and
 * through a command, with both legs cut by a seed and the gateway killed, and compares SHA-256 at both ends.
 *
 *   --seed N      the first round's; each further round takes the next one (default: by the clock)
 *   --minutes M   new rounds until so many have passed (default: one round)
 *   --cuts N      of each leg in a round, at least about so many (default 1000)
 *   --mb N        of output in a round (default 200; a command's 1000)
 *   --kills N     of the gateway in a round (default 10)
 *   --only shell|exec
 */
import { parseArgs } from "node:util";
import { ensureDeps } from "./ensure-deps.ts";
import { say } from "./say.ts";

await ensureDeps();
// Only now: these import dependencies.
const { playRound } = await import("../test/chaos/round.ts");
const build = Bun.spawnSync([process.execPath, `${import.meta.dir}/../build.ts`, "--native"], {
  stdio: ["ignore", "inherit", "inherit"],
});
if (!build.success) process.exit(1);

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    minutes: { type: "string", default: "0" },
    cuts: { type: "string", default: "1000" },
    mb: { type: "string" },
    kills: { type: "string", default: "10" },
    only: { type: "string" },
  },
});
const first = Number(values.seed ?? Date.now() % 1_000_000);
const until = performance.now() + Number(values.minutes) * 60_000;
const kinds = (["shell", "exec"] as const).filter((kind) => !values.only || values.only === kind);
let failed = 0;
for (let seed = first; seed === first || performance.now() < until; seed += 1) {
  for (const kind of kinds) {
    const megabytes = Number(values.mb ?? (kind === "exec" ? 1000 : 200));
    const round = { kind, seed, megabytes, cuts: Number(values.cuts), kills: Number(values.kills) };
    const { line, ok } = await playRound(round, say);
    console.log(line);
    if (!ok) failed += 1;
  }
}
process.exit(failed ? 1 : 0);
