/**
 * A long soak: `bun run soak`. The resident memory of agent, gateway and CLI over reconnects and over sessions.
 *
 *   --reconnects N   of the agent and of a viewer (default 10000; each takes about half a second)
 *   --sessions N     shells that begin and end (default 1000)
 */
import { parseArgs } from "node:util";
import { ensureDeps } from "./ensure-deps.ts";
import { say } from "./say.ts";

await ensureDeps();
// Only now: these import dependencies.
const { described, soak } = await import("../test/chaos/soak.ts");
const build = Bun.spawnSync([process.execPath, `${import.meta.dir}/../build.ts`, "--native"], {
  stdio: ["ignore", "inherit", "inherit"],
});
if (!build.success) process.exit(1);

const { values } = parseArgs({
  options: {
    reconnects: { type: "string", default: "10000" },
    sessions: { type: "string", default: "1000" },
  },
});
const report = await soak({
  reconnects: Number(values.reconnects),
  sessions: Number(values.sessions),
  say,
});
for (const [phase, { seconds, curves }] of Object.entries(report)) {
  console.log(`${phase}, ${seconds.toFixed(0)} s`);
  for (const curve of curves) console.log(`  ${described(curve)}`);
}
