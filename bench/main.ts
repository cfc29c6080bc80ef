/**
 * `bun run bench`: one table for this build, beside the same figures for OpenSSH's sshd in the same run.
 * `--runs N` (default 3) repeats each measurement; the table shows medians, bench/results/ gets every value as JSON.
 */
import { ensureDeps } from "../scripts/ensure-deps.ts";

await ensureDeps();
// Only now: these import dependencies.
const { bench } = await import("./run.ts");
const args = process.argv.slice(2);
const runs = Number(args[args.indexOf("--runs") + 1] ?? 3) || 3;
process.exit(await bench(runs));
