import { expect, test } from "bun:test";
import { statfsSync } from "node:fs";
import * as z from "zod/mini";
import { childEnvironment } from "../../src/agent/machine/child-env.ts";
import { chooseShell, commandArguments, loginArguments } from "../../src/agent/machine/shell.ts";
import { StatsReader } from "../../src/agent/machine/stats.ts";
import { readSystemInfo } from "../../src/agent/machine/system-info.ts";
import { LogLimiter } from "../../src/agent/uplink/log-limiter.ts";
import { systemInfo } from "../../src/protocol/v1.ts";

const account = { name: "ann", home: "/home/ann", shell: null };

test("the system info has the contract's shape and this machine's numbers", () => {
  const info = readSystemInfo();
  expect(z.strictObject(systemInfo.shape).parse(info)).toEqual(info);
  const { bsize, blocks } = statfsSync("/");
  expect(info.disk.total).toBe(bsize * blocks);
  expect(info.memory.total).toBeGreaterThanOrEqual(info.memory.available);
  expect(info.is_root).toBe(process.getuid?.() === 0);
});

test("the load is read within 5 ms and is a share of what there is", () => {
  const reader = new StatsReader();
  reader.read();
  const began = performance.now();
  const rounds = 20;
  for (let round = 1; round < rounds; round += 1) reader.read();
  const stats = reader.read();
  expect((performance.now() - began) / rounds).toBeLessThan(5);
  expect(stats.cpu_percent).toBeWithin(0, 100.1);
  expect(stats.memory).toBeWithin(1, stats.memory_limit);
  expect(stats.disk_usage).toBeWithin(0, stats.disk_limit + 1);
});

test("a busy core shows in the load", () => {
  const reader = new StatsReader();
  reader.read();
  const until = performance.now() + 300;
  while (performance.now() < until);
  expect(reader.read().cpu_percent).toBeGreaterThan(100 / readSystemInfo().num_cpu / 3);
});

test("a child's environment has no secret and no terminal of the agent's, and what a bare unit lacks", () => {
  const base = {
    REXEC_TOKEN: "s",
    REXEC_HOST: "h",
    BUN_OPTIONS: "x",
    NOTIFY_SOCKET: "/n",
    TMUX: "t",
    COLUMNS: "3",
    KEEP: "k",
    TERM: "dumb",
  };
  expect(childEnvironment(base, "/bin/zsh", account)).toEqual({
    KEEP: "k",
    HOME: "/home/ann",
    USER: "ann",
    LOGNAME: "ann",
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
    SHELL: "/bin/zsh",
    TERM: "xterm-256color",
    REXEC_AGENT: "1",
  });
  expect(childEnvironment({ LC_ALL: "de_DE.UTF-8" }, "/bin/sh", account)).not.toHaveProperty("LANG");
});

test.each([
  ["/bin/bash", ["-l", "-i"]],
  ["/usr/bin/zsh", ["-l", "-i"]],
  ["/usr/bin/fish", ["-l", "-i"]],
  ["/bin/sh", ["-i"]],
  ["/bin/dash", ["-i"]],
  ["/bin/tcsh", ["-l"]],
  ["/usr/bin/busybox", ["sh", "-i"]],
])("%s is started as %j", (shell, args) => {
  expect(loginArguments(shell)).toEqual(args);
});

test("the shell is the configured one, else $SHELL, else one that exists", () => {
  expect(chooseShell("/no/such", "/bin/sh", account)).toBe("/no/such");
  expect(chooseShell(undefined, "/bin/sh", account)).toBe("/bin/sh");
  expect(chooseShell(undefined, "/no/such", account)).toBe("/bin/bash");
  // As sudo sets it for the account of a service.
  for (const refusal of ["/usr/sbin/nologin", "/bin/false"])
    expect(chooseShell(undefined, refusal, account)).toBe("/bin/bash");
});

test("a line is run by a shell, or by the one of a program that is many", () => {
  expect(commandArguments("/bin/zsh", "ls")).toEqual(["-c", "ls"]);
  expect(commandArguments("/bin/busybox", "ls")).toEqual(["sh", "-c", "ls"]);
});

test("a log limiter lets some through, and then says how many it left out", () => {
  const lines: string[] = [];
  let now = 0;
  const limiter = new LogLimiter(
    (line) => void lines.push(line),
    () => now,
  );
  for (let count = 0; count < 100; count += 1) limiter.say(`bad ${count}`);
  expect(lines).toHaveLength(5);
  now = 10_000;
  limiter.say("next");
  expect(lines.slice(5)).toEqual(["95 more lines like these were left out", "next"]);
});
