/**
 * `bun run bench`: one table for this build, by rexec.v2 and by v1, beside the same figures for OpenSSH and mosh in
 * the same run. `--runs N` (default 3) repeats each measurement (but v1's); the table shows medians, bench/results/ gets every
 * value as JSON. `--only rexec.v2,sshd` measures those.
 */
import { ensureDeps } from "../scripts/ensure-deps.ts";

await ensureDeps();
// Only now: these import dependencies.
const { bench } = await import("./run.ts");
const { SUBJECTS } = await import("./figures.ts");
const args = process.argv.slice(2);
const option = (name: string) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
const only = option("--only")?.split(",");
process.exit(
  await bench({
    runs: Number(option("--runs") ?? 3) || 3,
    subjects: SUBJECTS.filter((name) => !only || only.includes(name)),
  }),
);
