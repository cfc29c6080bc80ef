import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildTarget, nativeArch, TARGETS } from "../../build.ts";

const STAMP = { version: "7.8.9", commit: "0123456789ab" };
const RUNS = 25;

let folder: string;
let config: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "rexec-start-"));
  config = join(folder, "agent.json");
  writeFileSync(config, '{"host":"https://rexec.example","id":"machine-1","name":"one"}', { mode: 0o600 });
  const arch = nativeArch();
  await buildTarget(
    { file: "hello", program: { name: "hello", entry: "test/support/hello.ts" }, arch },
    folder,
    STAMP,
  );
  for (const target of TARGETS.filter((each) => each.arch === arch))
    await buildTarget({ ...target, file: target.program.name }, folder, STAMP);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a program costs that does nothing is the runtime's; a Raspberry Pi takes ten times as long for all of it. */
describe("starting up", () => {
  test.each([
    { program: "rexec", args: ["version"], times: 4, megabytes: 20 },
    { program: "rexec-agent", args: ["version"], times: 4, megabytes: 20 },
    { program: "rexec", args: ["logout"], times: 14, megabytes: 35 },
    { program: "rexec-agent", args: ["status"], times: 11, megabytes: 32 },
    { program: "rexec", args: ["agent", "status"], times: 11, megabytes: 32 },
  ])(
    "$program $args takes at most $times times the CPU of an empty program, and $megabytes MB more",
    ({ program, args, times, megabytes }) => {
      const hello: Cost[] = [];
      const ours: Cost[] = [];
      for (let run = 0; run < RUNS; run += 1) {
        hello.push(costOf(["hello"]));
        ours.push(costOf([program, ...args]));
      }
      // The least of many: what else the machine does only ever adds.
      expect(least(ours, "cpuMs") / least(hello, "cpuMs")).toBeLessThan(times);
      expect(least(ours, "megabytes") - least(hello, "megabytes")).toBeLessThan(megabytes);
    },
    60_000,
  );
});

interface Cost {
  cpuMs: number;
  megabytes: number;
}

function costOf([program = "", ...args]: readonly string[]): Cost {
  const { resourceUsage } = Bun.spawnSync([join(folder, program), ...args], {
    env: { HOME: folder, PATH: "/usr/bin:/bin", REXEC_CONFIG: config },
    stdio: ["ignore", "ignore", "ignore"],
    timeout: 20_000,
  });
  if (!resourceUsage) throw new Error(`${program} did not start`);
  return { cpuMs: Number(resourceUsage.cpuTime.total) / 1_000, megabytes: resourceUsage.maxRSS / 2 ** 20 };
}

function least(costs: readonly Cost[], what: keyof Cost): number {
  return Math.min(...costs.map((cost) => cost[what]));
}
