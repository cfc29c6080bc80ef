/** What an administrator does with a service, in the guide's order and with the guide's variables; on a booted systemd. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { describeUnless } from "../support/needs.ts";
import { whyNoBox } from "./box.ts";
import { Machine, PI_UID, UNIT } from "./machine.ts";

const THEIRS = "/home/pi/.rexec/agent.json";
const SYSTEM = "/etc/rexec/agent.yaml";

describeUnless(whyNoBox())("the administrator of a service", () => {
  let machine: Machine;

  beforeAll(async () => {
    machine = await Machine.start();
  }, 240_000);
  afterAll(() => machine?.[Symbol.asyncDispose](), 60_000);

  const sudo = (...words: string[]) =>
    machine.box.run(["rexec-agent", ...words], { SUDO_UID: String(PI_UID), SUDO_USER: "pi" });
  const root = (...words: string[]) => machine.box.run(["rexec-agent", ...words]);
  const pi = (...words: string[]) =>
    machine.as("pi", ["rexec-agent", ...words], { REXEC_TOKEN: machine.stack.token });

  test("finds by every command what was registered without sudo and installed with it", async () => {
    const registered = await pi("register", "--name", "pi", "--host", machine.stack.url);
    expect(registered).toMatchObject({ code: 0 });
    expect(await sudo("install")).toMatchObject({ code: 0 });
    await machine.online();
    // Under sudo, and for root who has logged in: the service's file says which it is.
    for (const as of [sudo, root]) {
      const { out, code } = await as("status", "--json");
      expect(JSON.parse(out)).toMatchObject({ config: THEIRS, name: "pi", unit: UNIT, connected: true });
      expect(code).toBe(0);
    }
    expect((await sudo("restart")).err).toContain("in place");
    expect((await root("logs", "-n", "50")).out).toContain("connected to");
    expect((await sudo("update", "--check")).err).not.toContain("not registered");
    const token = await machine.mint(["user"]);
    const refreshed = await sudo("refresh-token", "--token", token);
    expect(refreshed.err).toContain(`is in ${THEIRS}`);
    expect(refreshed.code).toBe(0);
    const stat = await machine.box.must(["stat", "-c", "%U %a", THEIRS]);
    expect(stat).toBe("pi 600");
  }, 90_000);

  test("stops the service by rexec-agent stop; others are shown the command", async () => {
    const refused = await pi("stop");
    expect(refused.err).toContain(`systemd runs the agent (${UNIT}`);
    expect(refused.err).toContain(`hint: stop the service: sudo systemctl stop ${UNIT}`);
    expect(refused.code).toBe(1);
    const stopped = await root("stop");
    expect(stopped.err).toContain(`stopped ${UNIT}`);
    expect(stopped.code).toBe(0);
    expect(await machine.box.show(UNIT, "ActiveState")).toBe("inactive");
    await machine.box.must(["systemctl", "start", UNIT]);
    await machine.online();
  }, 60_000);

  test("stops the service also where it is about to start the agent again", async () => {
    const dropIn = `/etc/systemd/system/${UNIT}.d/broken.conf`;
    await machine.unitFile(dropIn, "[Service]\nExecStartPre=/bin/false\nRestartSec=60\n");
    await machine.box.run(["systemctl", "restart", UNIT]);
    expect(await machine.box.show(UNIT, "ActiveState")).toBe("activating");
    const { code, err } = await root("stop");
    expect(err).toContain(`stopped ${UNIT}, which was about to start the agent again`);
    expect(code).toBe(0);
    expect(await machine.box.show(UNIT, "ActiveState")).not.toBe("activating");
    expect((await root("stop")).code).toBe(3);
    await machine.unitFile(dropIn, null);
    await machine.box.must(["systemctl", "start", UNIT]);
    await machine.online();
  }, 60_000);

  test("unregisters it, with the service stopped and no file left", async () => {
    const { code, err } = await sudo("unregister", "--yes");
    expect(err).toContain("removed at");
    expect(code).toBe(0);
    expect(existsSync(machine.box.path(THEIRS))).toBe(false);
    // The server's word may have ended it a moment before.
    expect(await machine.box.show(UNIT, "MainPID")).toBe("0");
    expect(await machine.agents()).toEqual([]);
    expect(await root("uninstall")).toMatchObject({ code: 0 });
  }, 60_000);

  test("gives the token by a drop-in, and it overrules the configuration", async () => {
    const { box } = machine;
    await machine.register();
    const path = box.path(SYSTEM);
    const text = readFileSync(path, "utf8");
    const token = /rexec_\w+/.exec(text)?.[0] ?? "";
    writeFileSync(path, text.replace(token, "rexec_wrong"));
    const dropIn = `/etc/systemd/system/${UNIT}.d/token.conf`;
    await machine.unitFile(dropIn, `[Service]\nEnvironment=REXEC_TOKEN=${token}\n`);
    const installed = await root("install");
    expect(installed.err).toContain("connected to ");
    expect(installed.code).toBe(0);
    expect(JSON.parse((await root("status", "--json")).out)).toMatchObject({
      connected: true,
      token_origin: "environment",
    });
    // The same once more: what stands in the drop-in is no change of the configuration.
    expect((await root("install")).err).toContain("nothing to do");
    // A token that is in no configuration at all.
    writeFileSync(path, text.replace(/^token:.*\n/m, ""));
    expect((await root("install")).code).toBe(0);
    await machine.unitFile(dropIn, null);
    expect((await root("install")).err).toContain("holds no token");
    // By the file that install keeps a proxy in.
    writeFileSync(box.path("/etc/rexec/agent.env"), `REXEC_TOKEN=${token}\n`, { mode: 0o600 });
    expect((await root("install")).code).toBe(0);
    await box.must(["systemctl", "restart", UNIT]);
    await machine.online();
    expect(await root("uninstall")).toMatchObject({ code: 0 });
    expect(readFileSync(box.path("/etc/rexec/agent.env"), "utf8")).toBe(`REXEC_TOKEN=${token}\n`);
  }, 120_000);

  test("names another configuration by a drop-in", async () => {
    const { box } = machine;
    const other = "/etc/rexec/other.yaml";
    writeFileSync(box.path("/etc/rexec/agent.env"), "REXEC_REGION=eu\n", { mode: 0o600 });
    await box.must(
      ["rexec-agent", "register", "--name", "other", "--host", machine.stack.url, "--config", other],
      {
        REXEC_TOKEN: machine.stack.token,
      },
    );
    await box.must(["rexec-agent", "register", "--force", "--name", "box", "--host", machine.stack.url], {
      REXEC_TOKEN: machine.stack.token,
    });
    await machine.unitFile(
      `/etc/systemd/system/${UNIT}.d/config.conf`,
      `[Service]\nEnvironment=REXEC_CONFIG=${other}\n`,
    );
    await root("install");
    const { out } = await root("status", "--json", "--config", other);
    expect(JSON.parse(out)).toMatchObject({ name: "other", connected: true, unit: UNIT });
  }, 60_000);
});
