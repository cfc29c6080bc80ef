/** The service under SysV init: on a booted machine of which systemd is hidden, for Debian's update-rc.d and scripts. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describeUnless } from "../support/needs.ts";
import { until } from "../support/wait.ts";
import { whyNoBox } from "./box.ts";
import { Machine } from "./machine.ts";

const why = whyNoBox();

const SCRIPT = "/etc/init.d/rexec-agent";

describeUnless(why)("the service under SysV init", () => {
  let machine: Machine;
  let clean: string[];

  beforeAll(async () => {
    machine = await Machine.start();
    // update-rc.d makes the folders that it misses, and leaves them.
    await machine.box.must(["mkdir", "-p", ...[0, 1, 2, 3, 4, 5, 6].map((level) => `/etc/rc${level}.d`)]);
    await machine.register();
    clean = await machine.box.changedFiles();
  }, 240_000);
  afterAll(() => machine?.[Symbol.asyncDispose](), 60_000);

  /** Where nothing says that systemd runs. */
  const run = (...words: string[]) => {
    const hide = 'mount -t tmpfs none /run/systemd && exec "$@"';
    return machine.box.run(["unshare", "--mount", "sh", "-c", hide, "sh", ...words]);
  };
  const start = () => run("rexec-agent", "install");

  test("is a script in the runlevels, started as a daemon", async () => {
    const { code, err } = await start();
    expect(err).toContain(`wrote ${SCRIPT}`);
    expect(err).toContain("started the service");
    expect(err).toContain("connected to ");
    expect(code).toBe(0);
    await machine.online();
    expect(statSync(machine.box.path(SCRIPT)).mode & 0o777).toBe(0o755);
    expect(existsSync(machine.box.path("/etc/rc2.d/S01rexec-agent"))).toBe(true);
    expect(readFileSync(machine.box.path(SCRIPT), "utf8")).not.toContain("rexec_");
    expect(await machine.exec("echo here")).toBe("here");
  }, 60_000);

  test("stays as it is where nothing has changed", async () => {
    const { code, err } = await start();
    expect(err).toContain("nothing to do");
    expect(code).toBe(0);
  }, 60_000);

  test("stops, starts and restarts as scripts there do", async () => {
    expect(await run(SCRIPT, "status")).toMatchObject({ code: 0 });
    expect(await run(SCRIPT, "stop")).toMatchObject({ code: 0 });
    await until(async () => !(await machine.isOnline()), 20_000, "the gateway to miss it");
    expect(await run(SCRIPT, "status")).toMatchObject({ code: 3 });
    expect(await run(SCRIPT, "stop")).toMatchObject({ code: 0 });
    expect(await run(SCRIPT, "start")).toMatchObject({ code: 0 });
    expect(await run(SCRIPT, "start")).toMatchObject({ code: 0 });
    await machine.online();
    expect(await run(SCRIPT, "restart")).toMatchObject({ code: 0 });
    await machine.online();
  }, 90_000);

  test("goes without a trace but the log", async () => {
    const { code, err } = await run("rexec-agent", "uninstall");
    expect(err).toContain(`removed ${SCRIPT}`);
    expect(code).toBe(0);
    expect((await machine.box.run(["pgrep", "-f", "rexec-agent start"])).code).toBe(1);
    expect(await machine.box.changedFiles()).toEqual(clean);
  }, 60_000);

  /** Another system's agent of the same name: its script, its program, its process. */
  const THEIR_SCRIPT = `#!/bin/sh
case $1 in
start) start-stop-daemon --start --background --make-pidfile --pidfile /run/theirs.pid --startas /opt/theirs ;;
stop) start-stop-daemon --stop --pidfile /run/theirs.pid --remove-pidfile --retry 5 ;;
esac
`;
  const isTheirs = async () => (await run("sh", "-c", "kill -0 $(cat /run/theirs.pid)")).code === 0;
  const installer = (...words: string[]) => {
    const piped = `curl -fsSL ${machine.stack.url}/install-agent.sh | sh -s -- ${words.join(" ")}`;
    return run("sh", "-c", `export REXEC_TOKEN=${machine.stack.token} SHELL=/bin/sh; ${piped}`);
  };

  test("another program's service is stopped by its own script, and comes back where the installer fails", async () => {
    const { box } = machine;
    await box.run(["rexec-agent", "unregister", "--yes"]);
    writeFileSync(box.path("/opt/theirs"), "#!/bin/sh\nexec sleep 600\n", { mode: 0o755 });
    writeFileSync(box.path("/usr/local/bin/rexec-agent"), "#!/bin/sh\necho rexec-agent version 1.0\n", {
      mode: 0o755,
    });
    writeFileSync(box.path(SCRIPT), THEIR_SCRIPT, { mode: 0o755 });
    await run(SCRIPT, "start");
    expect(await isTheirs()).toBe(true);
    // A token that the server takes for registering and not for connecting.
    const { token } = machine.stack;
    const failed = await run(
      "sh",
      "-c",
      `curl -fsSL ${machine.stack.url}/install-agent.sh | sh -s -- --token ${token} --agent-id no-such-agent`,
    );
    expect(failed.out).toContain(`stopping the agent that ${SCRIPT} runs`);
    expect(failed.code).not.toBe(0);
    expect(readFileSync(box.path(SCRIPT), "utf8")).toBe(THEIR_SCRIPT);
    expect(readFileSync(box.path("/usr/local/bin/rexec-agent"), "utf8")).toContain("version 1.0");
    expect(await isTheirs()).toBe(true);
    expect((await box.run(["pgrep", "-f", "rexec-agent start"])).code).toBe(1);
    const { code, out, err } = await installer("--name", "box");
    expect({ code, out, err }).toMatchObject({ code: 0 });
    expect(await isTheirs()).toBe(false);
    await machine.online();
    expect(readFileSync(box.path(SCRIPT), "utf8")).toContain("Written by rexec-agent install");
  }, 180_000);

  test("run again without anything new keeps a shell", async () => {
    const shell = machine.shell();
    await shell.type("echo set-$((40+2))\r");
    await shell.see("set-42", 20_000);
    expect((await installer()).code).toBe(0);
    await shell.type("echo still-$((40+2))\r");
    await shell.see("still-42", 20_000);
    await shell.type("exit\r");
    await shell.exit();
  }, 60_000);
});
