/** What shells and commands inherit is what the agent was started with, whatever the runtime made of it for itself. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import * as z from "zod/mini";
import { binary } from "../support/binaries.ts";
import { World } from "./support.ts";

/** What the kernel says of a process beside its names and places, one line each. */
const LOOK = [
  "cat /proc/self/limits",
  "grep -E '^(SigBlk|SigIgn|Umask|NoNewPrivs|Seccomp|Cpus_allowed|CapEff|CapInh):' /proc/self/status",
  "cat /proc/self/oom_score_adj /proc/self/timerslack_ns /proc/self/coredump_filter",
  "nice",
  "ls /proc/self/fd | tr '\\n' ' '",
].join("; ");
const OPEN_FILES = 777;
const UMASK = "0027";
/** Starts a program with settings of its own. */
const UNUSUAL = `ulimit -S -n ${OPEN_FILES}; ulimit -S -s 4096; ulimit -S -c 0; umask ${UMASK}; exec nice -n 3 "$0" "$@"`;
const RUNNER = ["/bin/sh", "-c", UNUSUAL];

let world: World;
beforeAll(async () => {
  world = await World.start({ agentRunner: RUNNER, env: { XDG_RUNTIME_DIR: undefined } });
});
afterAll(() => world[Symbol.asyncDispose]());

/** What a program sees that is started in the agent's place. */
function plain(): string {
  const { stdout } = Bun.spawnSync([...RUNNER, "/bin/sh", "-c", LOOK], { env: world.stack.clientEnv });
  return stdout.toString().trim();
}

async function ofCommand(): Promise<string> {
  const ran = await world.rexec(["exec", "box", "--", "sh", "-c", LOOK]);
  return ran.stdout.toString().trim();
}

async function ofShell(): Promise<string> {
  await using terminal = world.terminal(["connect", "box", "--new"]);
  await terminal.see(/[$#] $/);
  await terminal.type(`echo be''gin; sh -c "${LOOK.replaceAll("$", "\\$")}"; echo; echo e''nd\r`);
  const [, text = ""] = await terminal.see(/begin\r\n([\s\S]*?)\r\nend/);
  await terminal.type("exit\r");
  await terminal.exit();
  return text.replaceAll("\r", "").trim();
}

describe("shells and commands", () => {
  test("have the limits, signals, mask and niceness of the agent's start", async () => {
    const expected = plain();
    expect(expected).toMatch(new RegExp(`Max open files\\s+${OPEN_FILES} `));
    expect(await ofCommand()).toBe(expected);
    expect(await ofShell()).toBe(expected);
  });

  test("have them still after a restart in place, twice", async () => {
    const expected = plain();
    for (let round = 0; round < 2; round += 1) {
      const { exitCode } = Bun.spawnSync([binary("rexec-agent"), "restart"], {
        env: { ...world.stack.clientEnv, REXEC_CONFIG: `${world.folder}/agent.yaml` },
      });
      expect(exitCode).toBe(0);
      expect(await ofCommand()).toBe(expected);
      expect(await ofShell()).toBe(expected);
    }
  });

  test("while the agent and the gateway themselves may open as many files as the hard limit allows", async () => {
    for (const pid of [world.stack.agentPid, world.stack.gatewayPid]) {
      const limits = await Bun.file(`/proc/${pid}/limits`).text();
      const [, soft, hard] = /Max open files\s+(\d+)\s+(\d+)/.exec(limits) ?? [];
      expect(Number(soft)).toBe(Math.min(Number(hard), 2 ** 20));
    }
  });
});

test("an agent in the background hands on what its starter had", async () => {
  await world.stack.stopAgent();
  const env = { ...world.stack.clientEnv, REXEC_CONFIG: `${world.folder}/agent.yaml` };
  const { exitCode } = Bun.spawnSync([...RUNNER, binary("rexec-agent"), "start", "--daemon"], { env });
  try {
    expect(exitCode).toBe(0);
    expect(await ofCommand()).toBe(plain());
  } finally {
    const { stdout } = Bun.spawnSync([binary("rexec-agent"), "status", "--json"], { env });
    const { log } = z.object({ log: z.string() }).parse(JSON.parse(stdout.toString()));
    Bun.spawnSync([binary("rexec-agent"), "stop"], { env });
    rmSync(log); // root's is in no folder of the test's
  }
});
