/** A journal that restarts, or goes away, under an agent that runs: it costs no shell, no time, and no later line. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { describeUnless } from "../support/needs.ts";
import { until } from "../support/wait.ts";
import { whyNoBox } from "./box.ts";
import { Machine, UNIT } from "./machine.ts";

const why = whyNoBox();

describeUnless(why)("the journal", () => {
  let machine: Machine;

  beforeAll(async () => {
    machine = await Machine.start();
    await machine.register();
    await machine.box.must(["rexec-agent", "install"]);
    await machine.online();
  }, 240_000);
  afterAll(() => machine?.[Symbol.asyncDispose](), 60_000);

  /** Of the agent in place, as the journal has them. */
  const restarts = async () => {
    const log = await machine.box.must(["journalctl", "--unit", UNIT, "--output=cat"]);
    return log.match(/restarted in place/g)?.length ?? 0;
  };

  test.each([
    ["is restarted", ["systemctl", "restart", "systemd-journald.service"]],
    ["is killed", ["systemctl", "kill", "--signal=KILL", "systemd-journald.service"]],
    [
      "is stopped and started anew",
      [
        "sh",
        "-c",
        "systemctl stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald-audit.socket systemd-journald.service; sleep 1; systemctl start systemd-journald.service",
      ],
    ],
  ])(
    "%s: the agent and its shells go on, and what it logs later is in the journal",
    async (_, command) => {
      const { box } = machine;
      const pid = await machine.pid();
      await machine.execOnceOnline("true");
      const before = await restarts();
      await using shell = machine.shell();
      await shell.see(/[$#] /, 20_000);
      await shell.type("unset HISTFILE; kept=$((40+2)); echo set-$kept\r");
      await shell.see("set-42");
      await box.run(command);
      await until(
        async () => (await box.show("systemd-journald.service", "ActiveState")) === "active",
        30_000,
        "the journal",
      );
      await box.must(["kill", "-USR2", String(pid)]); // restarts it in place, which it logs
      await shell.type("echo still-$kept\r");
      await shell.see("still-42", 20_000);
      expect(await machine.pid()).toBe(pid);
      await until(async () => (await restarts()) > before, 20_000, "the agent's line in the journal");
    },
    120_000,
  );
});
