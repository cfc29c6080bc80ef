/** The installer on a machine with a real systemd, as it is documented: piped from a live gateway, nothing edited. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import * as z from "zod/mini";
import { describeUnless } from "../support/needs.ts";
import { until } from "../support/wait.ts";
import { whyNoBox } from "./box.ts";
import { Machine, PI_UID, UNIT } from "./machine.ts";

const why = whyNoBox();

const agentList = z.array(z.looseObject({ id: z.string(), name: z.string() }));
const CONFIG = "/etc/rexec/agent.yaml";
const PROGRAM = "/usr/local/bin/rexec-agent";

describeUnless(why)("the installer on a booted systemd", () => {
  let machine: Machine;
  let clean: string[];

  beforeAll(async () => {
    machine = await Machine.start();
    rmSync(machine.box.path(PROGRAM));
    clean = await machine.box.changedFiles();
  }, 240_000);
  afterAll(() => machine?.[Symbol.asyncDispose](), 60_000);

  /** `curl … | SHELL -s -- WORDS`, the token by environment. */
  const install = (words: string, { token = machine.stack.token, shell = "sh" } = {}) =>
    machine.box.run(
      ["sh", "-c", `curl -fsSL ${machine.stack.url}/install-agent.sh | ${shell} -s -- ${words}`],
      token === "" ? {} : { REXEC_TOKEN: token },
      120_000,
    );

  const agents = async () => {
    const headers = { authorization: `Bearer ${machine.stack.token}` };
    return agentList.parse(await (await fetch(`${machine.stack.url}/api/agents`, { headers })).json());
  };

  test("leaves the machine as it was where the server rejects the token", async () => {
    const { code, err } = await install("", { token: `rexec_${"0".repeat(64)}` });
    expect(err).toContain("401");
    expect(code).toBe(4);
    expect(await machine.box.changedFiles()).toEqual(clean);
    expect(existsSync(machine.box.path("/etc/rexec"))).toBe(false);
  }, 120_000);

  test("takes all of it back where the agent is installed and cannot connect", async () => {
    const { code, err } = await install("--agent-id 00000000-0000-0000-0000-000000000000");
    expect(err).toContain("404");
    expect(code).not.toBe(0);
    expect(await machine.box.changedFiles()).toEqual(clean);
    expect(await machine.box.show(UNIT, "LoadState")).toBe("not-found");
    expect(await agents()).toEqual([]);
  }, 120_000);

  test("installs, registers, starts and connects, with the token in no process's arguments", async () => {
    const seen = new Set<string>();
    const running = install(`--name 'web "1"' --labels production,aws`);
    let done = false;
    void running.finally(() => {
      done = true;
    });
    while (!done) {
      for (const line of commandLines()) if (line.includes(machine.stack.token)) seen.add(line);
      await Bun.sleep(5);
    }
    const { code, out, err } = await running;
    expect(err).not.toContain("error:");
    expect(out).toContain("checksum is right");
    expect(out).toContain(`ready: this machine is connected to ${machine.stack.url}`);
    expect(code).toBe(0);
    expect([...seen]).toEqual([]);
    expect(await agents()).toMatchObject([
      { name: 'web "1"', status: "online", tags: ["production", "aws"] },
    ]);
    const { box } = machine;
    expect(await box.show(UNIT, "ActiveState")).toBe("active");
    expect(await box.show(UNIT, "UnitFileState")).toBe("enabled");
    expect(statSync(box.path(CONFIG)).mode & 0o777).toBe(0o600);
    expect(readFileSync(box.path(`/etc/systemd/system/${UNIT}`), "utf8")).not.toContain("rexec_");
    // Root's token is exchanged for the agent's own.
    expect(readFileSync(box.path(CONFIG), "utf8")).not.toContain(machine.stack.token);
    expect(await machine.exec("id -u", 'web "1"')).toBe("0");
  }, 180_000);

  test("run again, also by bash and with the token as an option, changes nothing", async () => {
    const [before, pid] = [await agents(), await machine.pid()];
    const files = await machine.box.changedFiles();
    const { code, out } = await install(`--token ${machine.stack.token}`, { token: "", shell: "bash" });
    expect(out).toContain("ready: ");
    expect(code).toBe(0);
    expect((await agents()).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    expect(await machine.box.changedFiles()).toEqual(files);
    expect(await machine.pid()).toBe(pid);
  }, 120_000);

  test("a run that fails leaves the agent that is there connected, with its configuration", async () => {
    const before = readFileSync(machine.box.path(CONFIG), "utf8");
    const { code } = await install("--agent-id 00000000-0000-0000-0000-000000000000");
    expect(code).not.toBe(0);
    expect(readFileSync(machine.box.path(CONFIG), "utf8")).toBe(before);
    expect(await machine.box.show(UNIT, "ActiveState")).toBe("active");
    await machine.online();
  }, 180_000);

  test("comes up by itself at the next boot", async () => {
    await machine.box.reboot();
    await machine.online();
    expect(await machine.box.show(UNIT, "ActiveState")).toBe("active");
  }, 240_000);

  test("uninstalls without a trace: no file, no service, no agent at the server", async () => {
    const { box } = machine;
    const { code, out } = await install("--uninstall", { token: "" });
    expect(out).toContain(`removed ${PROGRAM}`);
    expect(code).toBe(0);
    expect(await box.changedFiles()).toEqual(clean);
    for (const folder of ["/etc/rexec", "/run/rexec", "/var/cache/rexec"]) {
      expect(existsSync(box.path(folder))).toBe(false);
    }
    expect(await box.show(UNIT, "LoadState")).toBe("not-found");
    expect((await box.run(["pgrep", "-f", "rexec-agent"])).code).toBe(1);
    expect(await agents()).toEqual([]);
  }, 120_000);

  test("serves an account without root: its own program, configuration and service, and again no trace", async () => {
    const { box } = machine;
    await box.must(["loginctl", "enable-linger", "pi"]);
    const runtime = `/run/user/${PI_UID}`;
    await until(() => existsSync(box.path(`${runtime}/systemd`)), 60_000, "the account's own systemd");
    const before = await box.changedFiles();
    const asPi = (words: string) =>
      machine.as("pi", ["sh", "-c", `curl -fsSL ${machine.stack.url}/install-agent.sh | sh -s -- ${words}`], {
        REXEC_TOKEN: machine.stack.token,
        XDG_RUNTIME_DIR: runtime,
      });
    const { code, out, err } = await asPi("--user --name pi");
    expect(err).not.toContain("error:");
    expect(out).toContain("ready: ");
    expect(code).toBe(0);
    await machine.online();
    expect(await machine.exec("id -un", "pi")).toBe("pi");
    expect(statSync(box.path("/home/pi/.rexec/agent.json")).mode & 0o777).toBe(0o600);
    expect(existsSync(box.path("/home/pi/.config/systemd/user/rexec-agent.service"))).toBe(true);
    expect((await asPi("--uninstall")).code).toBe(0);
    expect(await box.changedFiles()).toEqual(before);
    expect(existsSync(box.path("/home/pi/.rexec"))).toBe(false);
    expect(await agents()).toEqual([]);
  }, 180_000);
});

// --- internal ---

/** The arguments of every process, those in the box among them. */
function commandLines(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return "";
      }
    });
}
