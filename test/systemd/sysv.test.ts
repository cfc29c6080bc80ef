/** The service under SysV init: on a booted machine of which systemd is hidden, for Debian's update-rc.d and scripts. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
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
});
