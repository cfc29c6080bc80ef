import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readProcess } from "../../src/pty/procfs.ts";
import { Account } from "../support/account.ts";
import { until, within } from "../support/wait.ts";

let account: Account;
beforeEach(async () => {
  account = await Account.registered();
});
afterEach(async () => {
  await account[Symbol.asyncDispose]();
});

const isOnline = async () => JSON.stringify(await account.api("GET", "/api/agents")).includes('"online"');
const isGone = (pid: number) =>
  until(() => readProcess(pid) === null || readProcess(pid)?.state === "Z", 5_000, `${pid} to be gone`);
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe("start --daemon", () => {
  test("returns once the agent is connected, and leaves it on its own: session, folder, streams, files", async () => {
    const started = await account.run(["start", "--daemon"]);
    expect(started).toMatchObject({ code: 0, out: "" });
    expect(await isOnline()).toBe(true);
    const { pid } = account;
    expect(started.err).toContain(
      `started "box" in the background (pid ${pid}), connected to ${account.stack.url}\n`,
    );
    expect(readProcess(pid)).toMatchObject({ session: pid, tty: 0 });
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe("/");
    const log = join(account.home, ".rexec/agent.log");
    expect(readlinkSync(`/proc/${pid}/fd/0`)).toBe("/dev/null");
    expect([1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))).toEqual([log, log]);
    expect(readFileSync(log, "utf8")).toMatch(
      /^\d{4}-\S+Z \[info\] starting in the background\n(.*\n)*.*connected to/,
    );
    expect(readFileSync(log, "utf8")).not.toContain(String(account.settings.token));
    expect(mode(account.runtime)).toBe("700");
    expect(["agent.pid", "agent.sock"].map((name) => mode(join(account.runtime, name)))).toEqual([
      "600",
      "600",
    ]);
    expect(mode(log)).toBe("600");
  });

  test("says that one runs already, which, and since when; in the foreground too", async () => {
    await account.run(["start", "-d"]);
    for (const words of [["start", "-d"], ["start"]]) {
      const { code, err } = await account.run(words);
      expect(code).toBe(1);
      expect(err).toMatch(
        new RegExp(
          `runs already \\(pid ${account.pid}, since 20\\d\\d-.* ago\\), run by daemon, connected\\)\nhint: `,
        ),
      );
    }
    expect(await isOnline()).toBe(true);
  });

  test("starts one where several are started in the same moment, and the others say so", async () => {
    const all = await Promise.all([1, 2, 3, 4].map(() => account.run(["start", "-d"])));
    expect(all.map(({ code }) => code).sort()).toEqual([0, 1, 1, 1]);
    for (const { code, err } of all) {
      expect(err).toMatch(
        code === 0 ? /^started "box" in the background/ : /error: .* runs already \(pid \d+/,
      );
    }
    expect(await account.json()).toMatchObject({ connected: true, pid: account.pid });
  });

  test("says why it is not connected, with the log's last lines, and leaves it trying", async () => {
    await account.stack.stopGateway();
    const { code, err } = await account.run(["start", "--daemon", "--wait", "3s"]);
    expect(code).toBe(1);
    expect(err).toMatch(/the last lines of \S+agent\.log:\n( {2}.*\n)* {2}.*refuses the connection/);
    expect(err).toMatch(/error: it runs \(pid \d+\), but is not connected: .*refuses the connection/);
    expect(await account.json()).toMatchObject({ running: true, connected: false });
    await account.stack.startGateway();
    await until(async () => (await account.json()).connected === true, 15_000, "the agent to connect");
  });

  test("says that the server rejects it, with the server's exit code, and leaves nothing running", async () => {
    writeFileSync(account.config, JSON.stringify({ ...account.settings, token: `rexec_${"0".repeat(64)}` }));
    const { code, err } = await account.run(["start", "--daemon"]);
    expect(code).toBe(4);
    expect(err).toMatch(/error: .* rejected the token \(401\).*\nhint: .*refresh-token/);
    expect(err).toMatch(/the last lines of /);
    expect(await account.json()).toMatchObject({ running: false });
  });

  test("passes its options on to the agent in the background", async () => {
    expect(await account.run(["start", "-d", "--max-sessions", "7", "--idle-timeout=30m"])).toMatchObject({
      code: 0,
    });
    const words = readFileSync(`/proc/${account.pid}/cmdline`, "utf8").split("\0");
    expect(words).toContain("--max-sessions=7");
    expect(words).toContain("--idle-timeout=30m");
  });
});

describe("a pid file that was left behind", () => {
  test("counts for nothing, also where its number is another program's by now, which is left alone", async () => {
    const other = Bun.spawn(["sleep", "60"]);
    try {
      mkdirSync(account.runtime, { mode: 0o700, recursive: true });
      writeFileSync(join(account.runtime, "agent.pid"), `${other.pid}\n`);
      if (process.getuid?.() === 0) Bun.spawnSync(["chown", "-R", "65534:65534", account.runtime]);
      expect(await account.run(["status"])).toMatchObject({ code: 3 });
      expect(await account.run(["stop"])).toMatchObject({ code: 3 });
      expect(other.exitCode).toBe(null);
      expect(await account.run(["start", "-d"])).toMatchObject({ code: 0 });
      expect(account.pid).not.toBe(other.pid);
      expect(await account.run(["stop"])).toMatchObject({ code: 0 });
      expect(other.exitCode).toBe(null);
    } finally {
      other.kill();
    }
  });

  test("by an agent that was killed is no obstacle to the next, nor is its socket", async () => {
    await account.run(["start", "-d"]);
    const { pid } = account;
    process.kill(pid, "SIGKILL");
    await isGone(pid);
    expect(existsSync(join(account.runtime, "agent.sock"))).toBe(true);
    expect(await account.run(["status"])).toMatchObject({ code: 3 });
    expect(await account.run(["start", "-d"])).toMatchObject({ code: 0 });
    expect(account.pid).not.toBe(pid);
    expect(await account.json()).toMatchObject({ running: true, connected: true, pid: account.pid });
  });
});

describe("stop", () => {
  test("waits for the end, and takes pid file and socket along", async () => {
    await account.run(["start", "-d"]);
    const { pid } = account;
    expect(await account.run(["stop"])).toEqual({ code: 0, out: "", err: `stopped (pid ${pid})\n` });
    expect(readProcess(pid)?.state ?? "gone").toMatch(/gone|Z/);
    expect(existsSync(join(account.runtime, "agent.pid"))).toBe(false);
    expect(existsSync(join(account.runtime, "agent.sock"))).toBe(false);
    const again = await account.run(["stop"]);
    expect(again.code).toBe(3);
    expect(again.err).toContain("no agent runs");
  });

  test("kills one that does not end within the grace period", async () => {
    await account.run(["start", "-d"]);
    const { pid } = account;
    process.kill(pid, "SIGSTOP");
    const { code, err } = await account.run(["stop", "--grace", "300ms"]);
    expect({ code, err }).toEqual({ code: 0, err: `killed (pid ${pid}): it did not end within 0.3 s\n` });
    await isGone(pid);
    expect(await account.run(["status"])).toMatchObject({ code: 3 });
  });

  test("ends one in the foreground too", async () => {
    const agent = account.spawn(["start"]);
    await until(isOnline, 10_000, "the agent to be online");
    expect(await account.run(["stop"])).toMatchObject({ code: 0 });
    expect(await within(agent.exited, 5_000, "the agent to end")).toBe(0);
  });
});

describe("status", () => {
  test("shows the box of the guide, and below it how the agent fares", async () => {
    const { agent_id: id } = account.settings;
    const box = [
      "Agent Status",
      "─────────────────────────────────────────",
      "  Registered: ✓",
      `  ID:         ${id}`,
      "  Name:       box",
      `  Host:       ${account.stack.url}`,
      "  Shell:      /bin/sh",
    ];
    const idle = await account.run(["status"]);
    expect(idle.code).toBe(3);
    expect(idle.out.split("\n").slice(0, 8)).toEqual([...box, "  Running:    ✗ No"]);
    await account.run(["start", "-d"]);
    const { code, out } = await account.run(["status"]);
    expect(code).toBe(0);
    const lines = out.split("\n");
    expect(lines.slice(0, 8)).toEqual([...box, "  Running:    ✓ Yes"]);
    expect(lines[8]).toMatch(
      /^ {2}Connected: {2}✓ Yes, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(\d+ s ago\) \(rexec\.v2\)$/,
    );
    expect(lines[9]).toBe("  Sessions:   0");
    expect(lines[10]).toBe("  Last error: none");
    expect(lines[11]).toMatch(/^ {2}Version: {4}\d+\.\d+\.\d+ \(.+\)$/);
    expect(lines[12]).toMatch(
      new RegExp(`^  Run by:     rexec-agent start --daemon \\(pid ${account.pid}, since `),
    );
  });

  test("gives the same to programs, and never the token", async () => {
    await account.run(["start", "-d"]);
    const { code, out } = await account.run(["status", "--json"]);
    expect(code).toBe(0);
    expect(out).not.toContain(String(account.settings.token));
    expect(JSON.parse(out)).toMatchObject({
      registered: true,
      id: account.settings.agent_id,
      running: true,
      pid: account.pid,
      connected: true,
      sessions: 0,
      run_by: "daemon",
      protocol: "rexec.v2",
      last_error: null,
    });
  });

  test("knows one that hangs from one that is not there", async () => {
    await account.run(["start", "-d"]);
    const { pid } = account;
    process.kill(pid, "SIGSTOP");
    try {
      expect(await account.json()).toMatchObject({ running: true, pid, answers: false });
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });

  test("says so on a machine that is not registered", async () => {
    const { code, out } = await account.run(["status"], { env: { REXEC_CONFIG: "", HOME: "/nonexistent" } });
    expect(code).toBe(3);
    expect(out).toContain("  Registered: ✗ No: run rexec-agent register\n  Running:    ✗ No\n");
  });
});
