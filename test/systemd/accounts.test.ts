/** Services of and for accounts other than root, and what install refuses; on a booted systemd. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
} from "node:fs";
import { binary } from "../support/binaries.ts";
import { describeUnless } from "../support/needs.ts";
import { until } from "../support/wait.ts";
import { whyNoBox } from "./box.ts";
import { Machine, PI_UID, UNIT } from "./machine.ts";

const why = whyNoBox();

const HOME = "/home/pi";
const USER_FILE = `${HOME}/.config/systemd/user/${UNIT}`;
/** A path in which everything that a unit expands stands for itself. */
const ODD = `${HOME}/o % $HOME 'd`;

describeUnless(why)("services and accounts", () => {
  let machine: Machine;

  beforeAll(async () => {
    machine = await Machine.start();
  }, 240_000);
  afterAll(() => machine?.[Symbol.asyncDispose](), 60_000);

  const pi = (...command: string[]) => machine.as("pi", command, { REXEC_TOKEN: machine.stack.token });
  const register = (name: string, ...more: string[]) =>
    pi("rexec-agent", "register", "--name", name, "--host", machine.stack.url, ...more);
  const ownUnit = async (property: string) => {
    const { out } = await machine.as(
      "pi",
      ["systemctl", "--user", "show", "--property", property, "--value", UNIT],
      {
        XDG_RUNTIME_DIR: `/run/user/${PI_UID}`,
      },
    );
    return out;
  };

  test("without root one is shown the command with one's own configuration in it", async () => {
    expect(await register("pi")).toMatchObject({ code: 0 });
    const { code, err } = await pi("rexec-agent", "install");
    expect(err).toEndWith(
      `hint: run: sudo /usr/local/bin/rexec-agent install --config ${HOME}/.rexec/agent.json`,
    );
    expect(code).toBe(1);
  });

  test("sudo installs what the caller has registered, and runs it as the caller", async () => {
    const { box } = machine;
    const { code, err } = await box.run(["rexec-agent", "install"], { SUDO_UID: String(PI_UID) });
    expect(err).toContain("started the service, which runs as pi");
    expect(err).toContain("connected to ");
    expect(code).toBe(0);
    const pid = await machine.pid();
    expect(readFileSync(box.path(`/proc/${pid}/status`), "utf8")).toContain(`Uid:\t${PI_UID}\t${PI_UID}`);
    expect(await machine.exec("id -un", "pi")).toBe("pi");
    expect((await box.run(["rexec-agent", "install"], { SUDO_UID: String(PI_UID) })).err).toContain(
      "nothing to do",
    );
    expect(await box.run(["rexec-agent", "uninstall"])).toMatchObject({ code: 0 });
    expect(existsSync(box.path("/var/cache/rexec"))).toBe(false);
  }, 60_000);

  test("--user is refused where no systemd of the account runs, before anything is written", async () => {
    const { code, err } = await pi("rexec-agent", "install", "--user");
    expect(err).toContain("no systemd of this account runs");
    expect(code).toBe(1);
    expect(existsSync(machine.box.path(USER_FILE))).toBe(false);
  });

  test("--user turns lingering on, or says how, and the agent runs without a login", async () => {
    const { box } = machine;
    await box.must(["systemctl", "start", `user@${PI_UID}.service`]);
    const folder = box.path(ODD);
    mkdirSync(folder);
    copyFileSync(box.path(`${HOME}/.rexec/agent.json`), `${folder}/agent.json`);
    chmodSync(`${folder}/agent.json`, 0o600);
    for (const path of [folder, `${folder}/agent.json`]) chownSync(path, PI_UID, PI_UID);
    const { code, err } = await pi("rexec-agent", "install", "--user", "--config", `${ODD}/agent.json`);
    expect(err).toContain(`wrote ${USER_FILE}`);
    expect(err).toContain("connected to ");
    // The first where there is a polkit, which lets an account do it for itself.
    expect(err).toMatch(/turned lingering on for pi: |run: sudo loginctl enable-linger pi$/m);
    expect(code).toBe(0);
    expect(await ownUnit("ActiveState")).toBe("active");
    await machine.online();
    await box.must(["loginctl", "enable-linger", "pi"]);
    await box.reboot();
    await until(async () => (await ownUnit("ActiveState")) === "active", 30_000, "pi's service after a boot");
    await machine.online();
    const again = await pi("rexec-agent", "install", "--user", "--config", `${ODD}/agent.json`);
    expect(again.err).toContain("nothing to do");
    expect(again.err).not.toContain("linger");
  }, 240_000);

  test("--user's is clean to systemd-analyze", async () => {
    const env = { XDG_RUNTIME_DIR: `/run/user/${PI_UID}` };
    expect(await machine.as("pi", ["systemd-analyze", "--user", "verify", USER_FILE], env)).toEqual({
      code: 0,
      out: "",
      err: "",
    });
  });

  test("--user's goes without a trace", async () => {
    const { box } = machine;
    const { code, err } = await pi("rexec-agent", "uninstall", "--user");
    expect(err).toContain("lingering stays on for pi");
    expect(code).toBe(0);
    expect(await ownUnit("LoadState")).toBe("not-found");
    const left = (await box.changedFiles()).filter((path) => path.startsWith(HOME));
    // What each new account gets here.
    const own = [...readdirSync(box.path("/etc/skel")), ".rexec/agent.json"].map((name) => `${HOME}/${name}`);
    expect(left.sort()).toEqual([...own, `${ODD}/agent.json`].sort());
    expect(existsSync(box.path(`${HOME}/.cache/rexec`))).toBe(false);
  }, 60_000);

  test("the CLI's executable can be the service too", async () => {
    const { box } = machine;
    copyFileSync(binary("rexec"), box.path("/usr/local/bin/rexec"));
    await machine.register();
    expect(await box.run(["rexec", "agent", "install"])).toMatchObject({ code: 0 });
    expect(await box.show(UNIT, "ExecStart")).toContain(
      "argv[]=/usr/local/bin/rexec agent start --config /etc/rexec/agent.yaml",
    );
    expect(await machine.exec("id -un")).toBe("root");
    expect(await box.run(["rexec", "agent", "uninstall"])).toMatchObject({ code: 0 });
  }, 60_000);

  test("a file that would be gone, or could be anybody's, is refused with the command that helps", async () => {
    const { box } = machine;
    for (const [folder, uid, why] of [
      ["/tmp", 0, "that folder does not outlast a boot"],
      ["/opt/pis", PI_UID, "belongs to pi, who could put anything in its place"],
    ] as const) {
      mkdirSync(box.path(folder), { recursive: true });
      copyFileSync(binary("rexec-agent"), box.path(`${folder}/agent`));
      chmodSync(box.path(`${folder}/agent`), 0o755);
      chownSync(box.path(`${folder}/agent`), uid, uid);
      const { code, err } = await box.run([`${folder}/agent`, "install"]);
      expect(err).toContain(why);
      expect(err).toContain(`sudo install -m 755 ${folder}/agent /usr/local/bin/rexec-agent`);
      expect(code).toBe(1);
      expect(existsSync(box.path(`/etc/systemd/system/${UNIT}`))).toBe(false);
    }
  });

  test("another service manager's file can be printed, and not installed", async () => {
    const printed = await machine.box.run(["rexec-agent", "install", "--init", "openrc", "--dry-run"]);
    expect(printed.out).toStartWith("#!/sbin/openrc-run");
    const { code, err } = await machine.box.run(["rexec-agent", "install", "--init", "openrc"]);
    expect(err).toContain("openrc does not run on this machine");
    expect(code).toBe(1);
  });
});
