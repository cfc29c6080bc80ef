/** The files that service managers are given, as text; test/systemd has the one of systemd at work. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whyNothingBoots } from "../../../src/agent/service/detect.ts";
import { serviceEnvironment } from "../../../src/agent/service/environment.ts";
import { openrcScript, sysvScript } from "../../../src/agent/service/init-scripts.ts";
import { installedServices } from "../../../src/agent/service/installed.ts";
import { launchdPlist } from "../../../src/agent/service/launchd.ts";
import { keepProxy, proxyLines, withoutProxy } from "../../../src/agent/service/proxy-env.ts";
import type { ServiceSpec } from "../../../src/agent/service/spec.ts";
import { systemdUnit } from "../../../src/agent/service/systemd-unit.ts";
import { lacks, testUnless, testWith, tool } from "../../support/needs.ts";
import { parsePlist } from "./plist.ts";

const SPEC: ServiceSpec = {
  executable: "/usr/local/bin/rexec-agent",
  words: [],
  config: "/etc/rexec/agent.yaml",
  configDigest: "",
  envFile: "/nowhere/agent.env",
  host: "https://rexec.example",
  scope: "system",
  user: null,
};
const ODD = {
  executable: "/opt/100% odd $HOME/rexec-agent",
  config: `/etc/it's "here" $HOME\\x/agent.yaml`,
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rexec-texts-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string[], env: Record<string, string> = {}) {
  const { PATH = "" } = process.env;
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { env: { PATH, ...env } });
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** An executable that prints its arguments, a line each, and leaves with 3 for `status`. */
function recorder(path: string): string {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n[ "$1" != status ] || exit 3\nprintf '%s\\n' "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

describe("the systemd unit", () => {
  test("has the configuration file and no secret", () => {
    const unit = systemdUnit(SPEC, 252);
    expect(unit).toContain("\nExecStart=/usr/local/bin/rexec-agent start --config /etc/rexec/agent.yaml\n");
    expect(unit).toContain("\nUnsetEnvironment=BUN_OPTIONS BUN_BE_BUN ");
    expect(unit.match(/^Environment=.*$/gm)).toEqual(["Environment=BUN_TMPDIR=%C/rexec"]);
  });

  test("grows the pauses by itself from systemd 254 on, with a command before", () => {
    expect(systemdUnit(SPEC, 254)).toContain("\nRestartSteps=6\nRestartMaxDelaySec=60\n");
    expect(systemdUnit(SPEC, 254)).not.toContain("ExecStartPre=");
    expect(systemdUnit(SPEC, 253)).not.toContain("RestartSteps=6");
    expect(systemdUnit(SPEC, 253)).toContain("\nExecStartPre=-/bin/sh -c ");
  });

  test("runs the agent's commands of the CLI too, and as another account", () => {
    const unit = systemdUnit({ ...SPEC, executable: "/opt/rexec", words: ["agent"], user: "pi" }, 252);
    expect(unit).toContain("\nExecStart=/opt/rexec agent start --config /etc/rexec/agent.yaml\nUser=pi\n");
  });

  test("waits for no network and belongs to no target of the system where it is an account's", () => {
    const unit = systemdUnit({ ...SPEC, scope: "user" }, 252);
    expect(unit).not.toContain("network-online");
    expect(unit).toContain("\nWantedBy=default.target\n");
    expect(unit).toContain("systemctl --user show --property=NRestarts");
  });

  test("takes odd paths as they are", () => {
    const unit = systemdUnit({ ...SPEC, ...ODD }, 254);
    expect(unit).toContain(
      String.raw`ExecStart="/opt/100%% odd $HOME/rexec-agent" start --config "/etc/it's \"here\" $$HOME\\x/agent.yaml"`,
    );
  });

  const verify = tool("systemd-analyze");
  const systemd = Number((verify ? run([verify, "--version"]).out : "").match(/^systemd (\d+)/)?.[1] ?? 0);
  for (const [name, spec] of Object.entries({ plain: {}, odd: ODD, user: { scope: "user" } } as const)) {
    for (const version of [252, 254]) {
      // What an older systemd does not know yet, it warns of.
      const why = lacks("systemd-analyze") ?? (systemd >= version ? null : `systemd is ${systemd} here`);
      testUnless(why)(`is clean to systemd-analyze: ${name}, for systemd ${version}`, () => {
        const executable = recorder(join(folder, spec === ODD ? "o % d $HOME" : "plain", "rexec-agent"));
        const path = file("rexec-agent.service", systemdUnit({ ...SPEC, ...spec, executable }, version));
        const scope = name === "user" ? ["--user"] : [];
        expect(run([verify ?? "", ...scope, "verify", path], { XDG_RUNTIME_DIR: folder })).toEqual({
          code: 0,
          out: "",
          err: "",
        });
      });
    }
  }
});

describe("the scripts of OpenRC and SysV init", () => {
  const scripts = {
    openrc: openrcScript(SPEC),
    "openrc as pi": openrcScript({ ...SPEC, user: "pi" }),
    sysv: sysvScript(SPEC),
    "sysv as pi": sysvScript({ ...SPEC, user: "pi" }),
    "sysv with odd paths": sysvScript({ ...SPEC, ...ODD, user: "pi" }),
  };
  for (const [name, text] of Object.entries(scripts)) {
    for (const shell of [["dash"], ["bash"], ["busybox", "sh"]]) {
      testWith(shell[0] ?? "")(`${name} is a script to ${shell.join(" ")}`, () => {
        expect(run([...shell, "-n", file("script", text)])).toEqual({ code: 0, out: "", err: "" });
      });
    }
    testWith("shellcheck")(`${name} is clean to shellcheck`, () => {
      expect(run(["shellcheck", "--exclude=SC2016", file("script", text)]).out).toBe("");
    });
  }

  test("OpenRC's runs the agent in the foreground under supervise-daemon", () => {
    const source = file(
      "openrc",
      `${scripts.openrc}\necho "$supervisor $respawn_max $command $command_args"`,
    );
    expect(run(["sh", source], { REXEC_TOKEN: "rexec_secret", BUN_OPTIONS: "--preload x" }).out).toBe(
      "supervise-daemon 0 /usr/local/bin/rexec-agent start --config /etc/rexec/agent.yaml\n",
    );
    expect(
      run(["sh", file("env", `${scripts.openrc}\nenv`)], { REXEC_TOKEN: "rexec_secret" }).out,
    ).not.toContain("rexec_secret");
  });

  test("SysV's starts the agent as a daemon, and tells its state", () => {
    const executable = recorder(join(folder, "o % d $HOME", "rexec-agent"));
    const cache = join(folder, "cache");
    const text = sysvScript({ ...SPEC, ...ODD, executable })
      .replaceAll("/var/cache/rexec", cache)
      // Only root may give a folder to root.
      .replace("chown root", `chown ${process.getuid?.() ?? 0}`);
    const script = file("sysv", text);
    expect(run(["sh", script, "start"])).toEqual({
      code: 0,
      out: `start\n--config\n${ODD.config}\n--daemon\n`,
      err: "",
    });
    expect(run(["sh", script, "status"]).code).toBe(3);
    expect(run(["sh", script, "stop"]).code).toBe(0);
    expect(run(["sh", script]).code).toBe(2);
  });
});

describe("the variables of a service's administrator", () => {
  const caller = { REXEC_TOKEN: "rexec_callers", REXEC_HOST: "https://callers", NODE_OPTIONS: "--inspect" };

  for (const [init, script, path] of [
    ["OpenRC", openrcScript, "/etc/conf.d/rexec-agent"],
    ["SysV init", sysvScript, "/etc/default/rexec-agent"],
    ["SysV init", sysvScript, "/etc/sysconfig/rexec-agent"],
  ] as const) {
    test(`reach the agent of ${init} from ${path} and from install's own file, and from no caller`, () => {
      const theirs = file("theirs", "REXEC_TOKEN=rexec_theirs\nBUN_OPTIONS=--smol\n");
      const envFile = file("agent.env", "REXEC_REGION=eu\nREXEC_TOKEN=rexec_ours\n");
      const text = script({ ...SPEC, envFile })
        .replaceAll(path, theirs)
        .replace(/^case "\$1"[\s\S]*/m, "");
      const { out } = run(["sh", file("variables", `${text}\nenv`)], caller);
      expect(out).toContain("REXEC_TOKEN=rexec_theirs\n");
      expect(out).toContain("REXEC_REGION=eu\n");
      expect(out).not.toMatch(/callers|BUN_OPTIONS|NODE_OPTIONS/);
    });
  }

  test("count with systemd, but those of an account's logins do not", () => {
    const unset = (unit: string) => /^UnsetEnvironment=(.*)$/m.exec(unit)?.[1]?.split(" ") ?? [];
    for (const scope of ["system", "user"] as const) {
      const unit = systemdUnit({ ...SPEC, scope }, 252);
      expect(unset(unit).filter((name) => name.startsWith("REXEC_"))).toEqual([]);
      expect(unset(unit)).toContain("NODE_OPTIONS");
      expect(/^Environment=.*REXEC_TOKEN= /m.test(unit)).toBe(scope === "user");
    }
  });

  test("are read as the service will find them", () => {
    const envFile = file("all.env", "HTTPS_PROXY='http://p'\nREXEC_TOKEN='rexec a'\n# REXEC_API=no\n");
    const dropIns = join(folder, "drop-ins.d");
    mkdirSync(dropIns);
    const more = file("more.env", 'REXEC_REGION="eu"\n');
    writeFileSync(
      join(dropIns, "a.conf"),
      `[Service]\nEnvironment=A=b "REXEC_HOST=https://x y" REXEC_API=z\n`,
    );
    writeFileSync(
      join(dropIns, "b.conf"),
      `[Service]\nEnvironmentFile=-${more}\nEnvironment=REXEC_API=last\n`,
    );
    expect(serviceEnvironment(envFile, dropIns)).toEqual({
      REXEC_TOKEN: "rexec a",
      REXEC_HOST: "https://x y",
      REXEC_API: "last",
      REXEC_REGION: "eu",
    });
  });

  test("stay in install's own file where a proxy is written to it", () => {
    const envFile = file("kept.env", "REXEC_TOKEN=rexec_kept\nHTTPS_PROXY='http://old'\n");
    chmodSync(envFile, 0o600);
    expect(keepProxy({ ...SPEC, envFile }, { HTTPS_PROXY: "http://new:1" })).toBe(true);
    expect(readFileSync(envFile, "utf8")).toBe("REXEC_TOKEN=rexec_kept\nHTTPS_PROXY='http://new:1'\n");
    expect(keepProxy({ ...SPEC, envFile }, { HTTPS_PROXY: "http://new:1" })).toBe(false);
    expect(withoutProxy(readFileSync(envFile, "utf8"))).toBe("REXEC_TOKEN=rexec_kept\n");
  });
});

describe("the services of this machine", () => {
  const root = (name: string, path: string, text: string) => {
    const at = join(folder, name, path);
    mkdirSync(join(at, ".."), { recursive: true });
    writeFileSync(at, text);
    return join(folder, name);
  };
  const odd = { ...SPEC, ...ODD };

  test.each([
    ["systemd", "/etc/systemd/system/rexec-agent.service", systemdUnit(odd, 252), ODD.config],
    ["systemd", "/etc/systemd/system/rexec-agent.service", systemdUnit(SPEC, 254), SPEC.config],
    ["openrc", "/etc/init.d/rexec-agent", openrcScript({ ...SPEC, user: "pi" }), SPEC.config],
    ["sysv", "/etc/init.d/rexec-agent", sysvScript({ ...SPEC, user: "pi" }), SPEC.config],
    ["launchd", "/Library/LaunchDaemons/com.rexec.agent.plist", launchdPlist(odd, "/h"), ODD.config],
    ["sysv", "/etc/init.d/rexec-agent", "#!/bin/sh\n/opt/other start\n", null],
  ])("tell their configuration: %s, %s", (init, path, text, config) => {
    const at = root(crypto.randomUUID(), path, text);
    expect(installedServices(at)).toMatchObject([{ init, file: path, config }]);
  });

  test("are found to be run by nothing where process 1 is no init", () => {
    expect(whyNothingBoots("sysv", root("jar", "/proc/1/comm", "sleep\n"))).toContain('process 1 is "sleep"');
    expect(whyNothingBoots("sysv", root("box", "/proc/1/comm", "init\n"))).toBe(null);
    expect(whyNothingBoots("openrc", root("jar", "/sbin/openrc-run", ""))).toContain("OpenRC");
    expect(whyNothingBoots("openrc", root("rc", "/run/openrc/softlevel", ""))).toBe(null);
    expect(whyNothingBoots("systemd", root("jar", "/x", ""))).toBe(null);
  });
});

describe("the proxy of a service", () => {
  const env = { HTTPS_PROXY: "http://me:it's $HOME@proxy:3128", no_proxy: "localhost,.lan", PATH: "/bin" };

  test("is kept as shells read it, with what goes around it", () => {
    const path = file("agent.env", proxyLines("https://rexec.example", env) ?? "");
    expect(run(["sh", "-c", `. ${path}; echo "$HTTPS_PROXY $NO_PROXY"`]).out).toBe(
      "http://me:it%27s $HOME@proxy:3128 localhost,.lan\n",
    );
  });

  test("is none where the server is reached directly", () => {
    expect(proxyLines("https://rexec.example", {})).toBe(null);
    expect(proxyLines("https://rexec.lan", env)).toBe(null);
    expect(proxyLines("http://127.0.0.1:8080", { ...env, http_proxy: "http://proxy" })).toBe(null);
  });
});

describe("launchd's property list", () => {
  test("keeps the agent running, and leaves alone what it has started", () => {
    expect(parsePlist(launchdPlist({ ...SPEC, user: "pi" }, "/Users/pi"))).toMatchObject({
      Label: "com.rexec.agent",
      ProgramArguments: ["/usr/local/bin/rexec-agent", "start", "--config", "/etc/rexec/agent.yaml"],
      UserName: "pi",
      RunAtLoad: true,
      KeepAlive: true,
      AbandonProcessGroup: true,
      StandardErrorPath: "/var/log/rexec-agent.log",
    });
  });

  test("takes odd paths as they are, and logs into the home of an account", () => {
    const plist = parsePlist(
      launchdPlist({ ...SPEC, executable: "/opt/a&b<c>/rexec-agent", scope: "user" }, "/Users/pi"),
    );
    expect(plist).toMatchObject({
      ProgramArguments: ["/opt/a&b<c>/rexec-agent", "start", "--config", "/etc/rexec/agent.yaml"],
      StandardErrorPath: "/Users/pi/Library/Logs/rexec-agent.log",
    });
    expect(plist).not.toHaveProperty("UserName");
  });
});
