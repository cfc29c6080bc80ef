/** The service on a machine with a real systemd, with the built executables, against a live gateway. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import * as z from "zod/mini";
import { binary } from "../support/binaries.ts";
import { describeUnless } from "../support/needs.ts";
import { until } from "../support/wait.ts";
import { whyNoBox } from "./box.ts";
import { Machine, UNIT } from "./machine.ts";

const why = whyNoBox();

const FILE = `/etc/systemd/system/${UNIT}`;
const CONFIG = "/etc/rexec/agent.yaml";
const DROP_IN = `/run/systemd/system/${UNIT}.d/test.conf`;

describeUnless(why)("the service on a booted systemd", () => {
  let machine: Machine;
  let clean: string[];

  beforeAll(async () => {
    machine = await Machine.start();
    clean = await machine.box.changedFiles();
  }, 240_000);
  afterAll(() => machine?.[Symbol.asyncDispose](), 60_000);

  const install = (...args: string[]) => machine.box.run(["rexec-agent", "install", ...args]);
  /** How often it has restarted in place; none while it does and does not answer. */
  const restarts = async () => {
    const { out } = await machine.box.run(["rexec-agent", "status", "--json"]);
    return z.object({ restarts: z.number() }).safeParse(JSON.parse(out)).data?.restarts ?? -1;
  };

  test("is refused to a machine that is not registered", async () => {
    const { code, err } = await install();
    expect(err).toContain("hint: register it first: rexec-agent register");
    expect(code).toBe(3);
  });

  test("shows without root the command that installs it", async () => {
    await machine.register();
    const { code, err } = await machine.as("pi", ["rexec-agent", "install"]);
    expect(err).toEndWith("hint: run: sudo /usr/local/bin/rexec-agent install");
    expect(code).toBe(1);
  });

  test("is printed by --dry-run, clean to systemd-analyze, and nothing is changed", async () => {
    const { box } = machine;
    const before = await box.changedFiles();
    const { code, out, err } = await install("--dry-run");
    expect(code).toBe(0);
    expect(err).toContain(`would write ${FILE}`);
    expect(err).toContain("would run: systemctl daemon-reload");
    expect(await box.changedFiles()).toEqual(before);
    writeFileSync(box.path(`/run/${UNIT}`), `${out}\n`);
    expect(await box.run(["systemd-analyze", "verify", `/run/${UNIT}`])).toEqual({
      code: 0,
      out: "",
      err: "",
    });
    rmSync(box.path(`/run/${UNIT}`));
  });

  test("is started, enabled and connected", async () => {
    const { box } = machine;
    const { code, err } = await install();
    expect(err).toContain(`wrote ${FILE}`);
    expect(err).toContain("started the service");
    expect(err).toContain("connected to http://127.0.0.1:");
    expect(code).toBe(0);
    expect(await box.show(UNIT, "ActiveState")).toBe("active");
    expect(await box.show(UNIT, "UnitFileState")).toBe("enabled");
    expect(await box.show(UNIT, "StatusText")).toStartWith("connected to ");
    await machine.online();
    expect((await box.run(["rexec-agent", "status"])).out).toContain(`systemd, unit ${UNIT} (pid `);
  }, 60_000);

  test("is restarted in place with an open shell and the same main process, by command and by signal", async () => {
    const { box } = machine;
    const pid = await machine.pid();
    await using shell = machine.shell();
    await shell.see(/[$#] $/);
    await shell.type("unset HISTFILE; kept=yes; echo pid=$$\r");
    const [, its] = await shell.see(/pid=(\d+)/);
    const { code, err } = await box.run(["rexec-agent", "restart"]);
    expect(err).toContain(`in place (pid ${pid}`);
    expect(err).toContain("1 shell and 0 commands kept");
    expect(code).toBe(0);
    await box.must(["systemctl", "kill", "-s", "USR2", "--kill-who=main", UNIT]);
    await until(
      async () => (await box.must(["rexec-agent", "status", "--json"])).includes('"restarts": 2'),
      20_000,
      () => "the second replacement",
    );
    await shell.type("echo [$kept] still=$$\r");
    await shell.see(`[yes] still=${its}`, 20_000);
    expect(await machine.pid()).toBe(pid);
    expect(await box.show(UNIT, "NRestarts")).toBe("0");
    expect(await box.show(UNIT, "ActiveState")).toBe("active");
    await shell.type("exit\r");
    await shell.exit();
  });

  test("is known to the agent's own commands: logs, start, stop", async () => {
    const { box } = machine;
    const pid = await machine.pid();
    const logs = await box.run(["rexec-agent", "logs", "-n", "50"]);
    expect(logs.out).toMatch(/\[info\] connected to 127\.0\.0\.1:\d+/);
    expect(logs.code).toBe(0);
    const second = await box.run(["rexec-agent", "start", "--daemon"]);
    expect(second.err).toMatch(
      new RegExp(`runs already \\(pid ${pid}, since .* run by systemd, connected\\)`),
    );
    expect(second.code).toBe(1);
    const stopped = await box.run(["rexec-agent", "stop"]);
    expect(stopped.err).toBe(`stopped ${UNIT} (pid ${pid})`);
    expect(stopped.code).toBe(0);
    expect(await box.show(UNIT, "ActiveState")).toBe("inactive");
    expect(await box.run(["rexec-agent", "status"])).toMatchObject({ code: 3 });
    expect((await box.run(["rexec-agent", "logs", "-n", "5"])).out).toContain("stopping");
    await box.must(["systemctl", "start", UNIT]);
    await machine.online();
  }, 60_000);

  test("has the token neither in the unit nor in the environment or the arguments", async () => {
    const { box } = machine;
    const token = /rexec_\w+/.exec(readFileSync(box.path(CONFIG), "utf8"))?.[0] ?? "";
    const pid = await machine.pid();
    const about = [
      readFileSync(box.path(FILE), "utf8"),
      await box.must(["systemctl", "show", UNIT]),
      readFileSync(box.path(`/proc/${pid}/environ`), "utf8"),
      readFileSync(box.path(`/proc/${pid}/cmdline`), "utf8"),
    ].join("\n");
    expect(token).not.toBe("");
    expect(about).not.toContain("rexec_");
    expect(about).not.toContain(token);
  });

  test("stays as it is where nothing has changed", async () => {
    const pid = await machine.pid();
    const { code, err } = await install();
    expect(err).toContain("nothing to do");
    expect(code).toBe(0);
    expect(await machine.pid()).toBe(pid);
  });

  test("is restarted in place with a changed configuration, with its shells open", async () => {
    const pid = await machine.pid();
    await using shell = machine.shell();
    await shell.see(/[$#] /, 20_000);
    await shell.type("unset HISTFILE; kept=$((40+2)); echo set-$kept\r");
    await shell.see("set-42");
    appendFileSync(machine.box.path(CONFIG), "max_sessions: 32\n");
    const { code, err } = await install();
    expect(err).toContain("restarting it: the configuration has changed");
    expect(err).toContain("its shells stay open");
    expect(code).toBe(0);
    expect(await machine.pid()).toBe(pid);
    expect((await install()).err).toContain("nothing to do");
    const before = await restarts();
    await machine.box.must(["systemctl", "reload", UNIT]);
    // It is a signal to the agent: `systemctl` does not wait until it has restarted.
    await until(async () => (await restarts()) > before, 20_000, "the agent to have restarted");
    await shell.type("echo still-$kept\r");
    await shell.see("still-42", 20_000);
    expect(await machine.pid()).toBe(pid);
  }, 60_000);

  test("is restarted in place with a new executable", async () => {
    const { box } = machine;
    const pid = await machine.pid();
    copyFileSync(binary("rexec-agent"), box.path("/usr/local/bin/rexec-agent.new"));
    renameSync(box.path("/usr/local/bin/rexec-agent.new"), box.path("/usr/local/bin/rexec-agent"));
    const { code, err } = await install();
    expect(err).toContain("restarting it: the executable has changed");
    expect(code).toBe(0);
    expect(await machine.pid()).toBe(pid);
    expect((await install()).err).toContain("nothing to do");
    await machine.online();
  }, 60_000);

  test("comes back from kill -9", async () => {
    const { box } = machine;
    const pid = await machine.pid();
    await machine.exec("setsid sleep 4710 >/dev/null 2>&1 </dev/null & sleep 0.2");
    await using shell = machine.shell();
    await shell.see(/[$#] /, 20_000);
    await shell.type("unset HISTFILE; sleep 4709\r");
    const runs = async (seconds: number) => (await box.run(["pgrep", "-f", `^sleep ${seconds}`])).code === 0;
    await until(() => runs(4709), 20_000, "the shell's program");
    await box.must(["kill", "-9", String(pid)]);
    await machine.newPid(pid);
    await machine.online();
    // The kernel hangs up a terminal whose master is gone.
    await until(async () => !(await runs(4709)), 20_000, "the shell's program to end with its terminal");
    expect(await runs(4710)).toBe(true);
    await box.must(["pkill", "-f", "^sleep 4710"]);
  }, 60_000);

  test("leaves what people put into the background where it restarts, and hangs up the rest", async () => {
    const { box } = machine;
    await machine.exec("setsid sleep 4711 >/dev/null 2>&1 </dev/null & sleep 0.2");
    await using shell = machine.shell();
    await shell.see(/[$#] /, 20_000);
    await shell.type("unset HISTFILE; sleep 4712\r");
    await until(
      async () => (await box.run(["pgrep", "-f", "^sleep 4712"])).code === 0,
      20_000,
      "the shell's program",
    );
    await box.must(["systemctl", "restart", UNIT]);
    expect(await box.run(["pgrep", "-f", "^sleep 4711"])).toMatchObject({ code: 0 });
    await until(
      async () => (await box.run(["pgrep", "-f", "^sleep 4712"])).code === 1,
      20_000,
      "the shell's program to end with its terminal",
    );
    await box.must(["pkill", "-f", "^sleep 4711"]);
    await machine.online();
  }, 90_000);

  test("is started again by the watchdog where its event loop stands still", async () => {
    const { box } = machine;
    await machine.unitFile(DROP_IN, "[Service]\nWatchdogSec=2\n");
    await box.must(["systemctl", "restart", UNIT]);
    const pid = await machine.pid();
    await Bun.sleep(3_000); // a whole interval and more: a fed watchdog does nothing
    expect(await machine.pid()).toBe(pid);
    await box.must(["kill", "-STOP", String(pid)]);
    await machine.newPid(pid);
    expect(await box.must(["journalctl", "-u", UNIT, "-o", "cat"])).toContain("Watchdog timeout");
    await machine.unitFile(DROP_IN, null);
    await machine.online();
  }, 90_000);

  test("comes back at a boot", async () => {
    await machine.box.reboot();
    await machine.online();
    expect(await machine.box.show(UNIT, "ActiveState")).toBe("active");
  }, 240_000);

  test("is up at a boot without the server, says so, and connects once there is one", async () => {
    await machine.stack.stopGateway();
    await machine.box.reboot();
    expect(await machine.box.show(UNIT, "ActiveState")).toBe("active");
    expect(await machine.box.show(UNIT, "StatusText")).toStartWith("not connected: ");
    await machine.stack.startGateway();
    await machine.online(60_000);
    expect(await machine.box.show(UNIT, "StatusText")).toStartWith("connected to ");
  }, 300_000);

  test("grows the pauses where the agent ends at once, again and again", async () => {
    const { box } = machine;
    const good = readFileSync(box.path(CONFIG), "utf8");
    writeFileSync(box.path(CONFIG), "api_url: [\n");
    await box.run(["systemctl", "restart", UNIT]);
    await until(async () => Number(await box.show(UNIT, "NRestarts")) >= 6, 60_000, "the sixth restart");
    const log = await box.must(["journalctl", "-b", "-u", UNIT, "-o", "short-unix", "-n", "200"]);
    const at = [...log.matchAll(/^(\d+\.\d+) .*Scheduled restart job, restart counter is at (\d+)\.$/gm)];
    const times = new Map(at.map(([, seconds, n]) => [Number(n), Number(seconds)]));
    const pause = (n: number) => (times.get(n + 1) ?? 0) - (times.get(n) ?? 0);
    expect(pause(1)).toBeWithin(0.9, 2.9);
    expect(pause(5)).toBeWithin(3.9, 20);
    writeFileSync(box.path(CONFIG), good);
    // In the middle of a long pause.
    const { code, err } = await install();
    expect(err).toContain("connected to ");
    expect(code).toBe(0);
  }, 120_000);

  test("is not tried again where the server rejects the agent, and says why", async () => {
    const { box } = machine;
    const good = readFileSync(box.path(CONFIG), "utf8");
    writeFileSync(box.path(CONFIG), good.replace(/rexec_[0-9a-f]+/, `rexec_${"0".repeat(64)}`));
    const { code, err } = await install();
    expect(err).toContain("401");
    expect(err).toContain("the service is installed, but does not start");
    expect(code).toBe(4);
    expect(await box.show(UNIT, "ActiveState")).toBe("failed");
    writeFileSync(box.path(CONFIG), good);
    expect(await install()).toMatchObject({ code: 0 });
  }, 120_000);

  test("takes the place of an agent that was started by hand", async () => {
    const { box } = machine;
    await box.must(["systemctl", "stop", UNIT]);
    const byHand = box.spawn(["rexec-agent", "start"]);
    await machine.online();
    const { code, err } = await install();
    expect(err).toMatch(/ending the agent that runs without the service \(pid \d+\)/);
    expect(code).toBe(0);
    expect(await byHand.exited).toBe(0);
    await machine.online();
  }, 120_000);

  test("is given the proxy that it was installed behind, out of others' sight", async () => {
    const { box } = machine;
    const good = readFileSync(box.path(CONFIG), "utf8");
    writeFileSync(box.path(CONFIG), good.replace(/^api_url: .*$/m, "api_url: https://rexec.invalid"));
    const proxy = { HTTPS_PROXY: "http://me:secret@127.0.0.1:9", NO_PROXY: "localhost" };
    const { code, err } = await box.run(["rexec-agent", "install"], proxy);
    expect(err).toContain("wrote /etc/rexec/agent.env");
    expect(err).toContain("not connected to https://rexec.invalid yet: ");
    expect(code).toBe(0);
    expect(statSync(box.path("/etc/rexec/agent.env")).mode & 0o777).toBe(0o600);
    expect(readFileSync(box.path(FILE), "utf8")).not.toContain("secret");
    const environ = readFileSync(box.path(`/proc/${await machine.pid()}/environ`), "utf8").split("\0");
    expect(environ).toContain(`HTTPS_PROXY=${proxy.HTTPS_PROXY}`);
    expect(environ).toContain("NO_PROXY=localhost");
    // Without the variables, as behind sudo, what was found once stays.
    expect((await box.run(["rexec-agent", "install"])).err).toContain("nothing to do");
    expect((await box.run(["rexec-agent", "install"], proxy)).err).toContain("nothing to do");
    writeFileSync(box.path(CONFIG), good);
  }, 120_000);

  test("goes without a trace", async () => {
    const { box } = machine;
    const { code, err } = await box.run(["rexec-agent", "uninstall"]);
    expect(err).toContain(`removed ${FILE}`);
    expect(code).toBe(0);
    expect(await box.show(UNIT, "LoadState")).toBe("not-found");
    expect((await box.run(["pgrep", "-f", "rexec-agent start"])).code).toBe(1);
    expect(await box.changedFiles()).toEqual([...clean, CONFIG].sort());
    expect(existsSync(box.path("/var/cache/rexec"))).toBe(false);
    expect(existsSync(box.path("/run/rexec"))).toBe(false);
    expect((await box.run(["rexec-agent", "uninstall"])).err).toContain(
      "nothing to do: no service is installed",
    );
  }, 60_000);
});
