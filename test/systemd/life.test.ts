/**
 * The life of an agent on a machine with a real systemd, in the order in which it happens: the installer's one line,
 * crashes, boots, another token, the end.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, lstatSync, readFileSync, statSync } from "node:fs";
import { describeUnless } from "../support/needs.ts";
import { whyNoBox } from "./box.ts";
import { Machine, UNIT } from "./machine.ts";

const why = whyNoBox();

describeUnless(why)("the life of an agent under systemd", () => {
  let machine: Machine;
  let clean: string[];

  beforeAll(async () => {
    machine = await Machine.start({ isBare: true });
    clean = await machine.box.changedFiles();
  }, 240_000);
  afterAll(() => machine?.[Symbol.asyncDispose](), 60_000);

  const installer = (words: string) =>
    machine.box.run(
      ["sh", "-c", `curl -fsSL ${machine.stack.url}/install-agent.sh | bash -s -- ${words}`],
      {},
      120_000,
    );

  test("one line installs it, registers it and starts it", async () => {
    const { box, stack } = machine;
    const { code, out, err } = await installer(`--token ${stack.token} --name box`);
    expect(`${out}\n${err}`).toContain("checksum is right");
    expect(code).toBe(0);
    expect(await box.show(UNIT, "ActiveState")).toBe("active");
    expect(await box.show(UNIT, "UnitFileState")).toBe("enabled");
    await machine.online();
    expect(await machine.exec("echo here")).toBe("here");
  }, 150_000);

  test("the token that was given is in none of the files that were made, and in no log", async () => {
    const { box, stack } = machine;
    const made = (await box.changedFiles()).filter(
      (path) => !clean.includes(path) && !path.startsWith("/usr/"),
    );
    expect(made).toContain("/etc/rexec/agent.yaml");
    const files = made.map((path) => box.path(path)).filter((path) => lstatSync(path).isFile());
    const texts = files.map((path) => readFileSync(path, "utf8"));
    texts.push(await box.must(["journalctl", "--boot", "--output=cat"]));
    expect(texts.some((text) => text.includes(stack.token))).toBe(false);
  });

  test("the same line again is safe", async () => {
    const { code } = await installer("--name box");
    expect(code).toBe(0);
    expect(await machine.box.show(UNIT, "ActiveState")).toBe("active");
    expect(await machine.execOnceOnline("echo here")).toBe("here");
  }, 150_000);

  test("kill -9 brings a new one", async () => {
    const pid = await machine.pid();
    await machine.box.must(["kill", "-9", String(pid)]);
    await machine.newPid(pid);
    expect(await machine.execOnceOnline("echo back")).toBe("back");
  }, 60_000);

  test("a boot brings it back", async () => {
    await machine.box.reboot();
    expect(await machine.execOnceOnline("echo back")).toBe("back");
    expect(await machine.box.show(UNIT, "ActiveState")).toBe("active");
  }, 240_000);

  test("a new token is taken up with a shell open, and the old one can go", async () => {
    const { box } = machine;
    const config = () => readFileSync(box.path("/etc/rexec/agent.yaml"), "utf8");
    const tokenOf = (text: string) => /rexec_[0-9a-f]+/.exec(text)?.[0] ?? "";
    const [pid, before] = [await machine.pid(), tokenOf(config())];
    await using shell = machine.shell();
    await shell.see(/[$#] /, 20_000);
    await shell.type("unset HISTFILE; kept=$((40+2)); echo set-$kept\r");
    await shell.see("set-42");
    const after = await machine.mint(["user"]);
    const { code, err } = await box.run(["rexec-agent", "refresh-token"], { REXEC_TOKEN: after });
    expect(err).toContain("the running agent has reconnected with it; its shells stayed open");
    expect(code).toBe(0);
    // It may do more than connect the agent: one that may not is in the file in its place.
    expect(err).toContain("the server made one for the agent alone");
    expect([before, after]).not.toContain(tokenOf(config()));
    expect(statSync(box.path("/etc/rexec/agent.yaml")).mode & 0o777).toBe(0o600);
    await shell.type("echo still-$kept\r");
    await shell.see("still-42", 20_000);
    expect(await machine.pid()).toBe(pid);
    // The agent works by the file as it is now: nothing is to be restarted for it.
    expect((await box.run(["rexec-agent", "install"])).err).toContain("nothing to do");
    await machine.revoke(before);
    await box.must(["kill", "-9", String(pid)]);
    await machine.newPid(pid);
    expect(await machine.execOnceOnline("echo back")).toBe("back");
  }, 120_000);

  test("the installer's --uninstall leaves no file", async () => {
    const { box } = machine;
    const { code, err } = await installer("--uninstall");
    expect(err).not.toMatch(/error|warning/);
    expect(code).toBe(0);
    expect(await box.changedFiles()).toEqual(clean);
    for (const path of ["/run/rexec", "/etc/rexec", "/var/cache/rexec"])
      expect([path, existsSync(box.path(path))]).toEqual([path, false]);
    expect(await machine.agents()).toEqual([]);
    expect(await box.show(UNIT, "LoadState")).toBe("not-found");
    expect((await box.run(["pgrep", "-f", "rexec-agent start"])).code).toBe(1);
  }, 60_000);
});
