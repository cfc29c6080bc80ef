/**
 * What an account can make root do by its own files, sockets and processes, where root runs the agent's commands with
 * that account's configuration: nothing that the account could not do itself.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { describeUnless, lacks, whyNotRoot } from "../support/needs.ts";
import { until, within } from "../support/wait.ts";

/** An account without an entry; no process of this machine's is its. */
const UID = 61_473;
const OTHER_UID = 61_474;
/** `nogroup`, which an account without an entry has. */
const GID = 65_534;
const AS = ["setpriv", `--reuid=${UID}`, `--regid=${GID}`, "--clear-groups"];
const { PATH = "" } = process.env;

interface Ran {
  code: number;
  out: string;
  err: string;
}

describeUnless(whyNotRoot("be tricked") ?? lacks("setpriv"))("root with another account's", () => {
  let gateway: TestGateway;
  let folder: string;
  let home: string;
  let config: string;
  let settings: Record<string, unknown>;
  /** A file that only root may read and write. */
  let secret: string;
  const victims: Bun.Subprocess[] = [];

  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway?.[Symbol.asyncDispose]());

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "rexec-trust-"));
    chmodSync(folder, 0o755);
    home = join(folder, "home");
    for (const path of [home, join(home, ".rexec"), join(home, ".rexec/run")]) {
      mkdirSync(path, { mode: 0o700 });
      chownSync(path, UID, UID);
    }
    config = join(home, ".rexec/agent.json");
    const { id, token } = await gateway.register();
    settings = { api_url: gateway.url, token, agent_id: id, name: "theirs", shell: "/bin/sh" };
    theirs(config, JSON.stringify(settings));
    secret = join(folder, "secret");
    writeFileSync(secret, "root's\n", { mode: 0o600 });
  });
  afterEach(async () => {
    for (const victim of victims.splice(0)) {
      victim.kill("SIGKILL");
      await victim.exited;
    }
    await agent(["stop", "--grace", "1s"]).catch(() => {});
    rmSync(folder, { recursive: true, force: true });
  });

  /** Writes a file as the account has it. */
  function theirs(path: string, text: string, mode = 0o600): void {
    writeFileSync(path, text, { mode });
    chmodSync(path, mode);
    chownSync(path, UID, UID);
  }

  function link(target: string, path: string): void {
    rmSync(path, { force: true });
    symlinkSync(target, path);
    lchownSync(path, UID, UID);
  }

  /** Runs the agent's command as root to its end. */
  async function agent(
    args: readonly string[],
    {
      env = {},
      named = true,
      ms = 25_000,
    }: { env?: Record<string, string>; named?: boolean; ms?: number } = {},
  ): Promise<Ran> {
    const words = [binary("rexec-agent"), ...args, ...(named ? ["--config", config] : [])];
    const child = Bun.spawn(words, {
      cwd: "/",
      env: { PATH, HOME: join(folder, "root"), SHELL: "/bin/sh", ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    try {
      const [out, err, code] = await within(all, ms, `rexec-agent ${args.join(" ")} to end`);
      return { code, out, err };
    } finally {
      if (child.exitCode === null) child.kill("SIGKILL");
    }
  }

  /** A process of root's that must live on. */
  function victim(): Bun.Subprocess {
    const child = Bun.spawn(["sleep", "600"], { stdio: ["ignore", "ignore", "ignore"] });
    victims.push(child);
    return child;
  }

  /** Runs a script of Bun's as the account. */
  function attack(script: string): Bun.Subprocess {
    const child = Bun.spawn([...AS, "env", "-i", `PATH=${PATH}`, `HOME=${home}`, "sh", "-c", script], {
      cwd: "/",
      stdio: ["ignore", "ignore", "ignore"],
    });
    victims.push(child);
    return child;
  }

  /** A control socket of the account's that says what it wants. */
  async function liar(answer: Record<string, unknown>): Promise<string> {
    const socket = join(home, ".rexec/run/agent.sock");
    const script = join(folder, "liar.ts");
    const line = JSON.stringify(`${JSON.stringify(answer)}\n`);
    writeFileSync(
      script,
      `Bun.listen({ unix: ${JSON.stringify(socket)}, socket: { data(s, asked) {
        s.write(String(asked).includes('"status"') ? ${line} : '{"ok":false,"code":"no","message":"no"}\\n');
        s.end();
      } } });`,
    );
    // The runtime lies where the account may not enter.
    const runtime = join(folder, "bun");
    Bun.spawnSync(["cp", process.execPath, runtime]);
    attack(`exec ${runtime} ${script}`);
    await until(() => existsSync(socket), 10_000, "the socket");
    return socket;
  }

  const statusOf = (pid: number, more: object = {}) => ({
    ok: true,
    pid,
    version: "9.9.9",
    commit: "abc",
    run: "daemon",
    started_at: new Date().toISOString(),
    config,
    host: gateway.url,
    agent_id: settings.agent_id,
    name: "theirs",
    shell: "/bin/sh",
    connection: "connected",
    connected_since: new Date().toISOString(),
    protocol: "rexec.v2",
    sessions: 0,
    last_error: null,
    token_origin: "file",
    log: null,
    ...more,
  });

  test("pid file ends no process that is not that account's", async () => {
    const { pid } = victim();
    const file = join(home, ".rexec/run/agent.pid");
    theirs(file, `${pid}\n`);
    attack(`exec 9<>${file}; flock -x 9; touch ${home}/locked; exec sleep 600`);
    await until(() => existsSync(join(home, "locked")), 10_000, "the lock");
    for (const command of [
      ["stop", "--grace", "1s"],
      ["unregister", "--yes"],
    ]) {
      const { err } = await agent(command);
      expect(err).toContain(`may not end process ${pid}`);
      expect(() => process.kill(pid, 0)).not.toThrow();
    }
  });

  test("control socket ends no process that is not that account's", async () => {
    const { pid } = victim();
    await liar(statusOf(pid));
    const { code, err } = await agent(["stop", "--grace", "1s"]);
    expect(err).toContain(`may not end process ${pid}`);
    expect(code).toBe(1);
    expect(() => process.kill(pid, 0)).not.toThrow();
  });

  test("control socket does not choose what the installer of the service ends", async () => {
    const { pid } = victim();
    await liar(statusOf(pid));
    const program = join(import.meta.dir, "../../src/agent/service/running.ts");
    const spec = { config, user: "theirs", scope: "system" };
    const script = `import { runningAgent, stopAgent } from ${JSON.stringify(program)};
      const spec = ${JSON.stringify(spec)};
      const found = await runningAgent(spec, {});
      console.log(found?.pid);
      await stopAgent(spec, found).catch((error) => console.log(error.code));
      console.log(process.geteuid());`;
    const { stdout } = Bun.spawnSync([process.execPath, "-e", script], { env: { PATH } });
    expect(stdout.toString()).toBe(`${pid}\nagent_forbidden\n0\n`);
    expect(() => process.kill(pid, 0)).not.toThrow();
  });

  test("claims of a service stop no service of root's", async () => {
    for (const run of ["openrc", "launchd", "systemd"]) {
      const { pid } = attack("exec sleep 600");
      const socket = await liar(statusOf(pid, { run }));
      const { err } = await agent(["stop", "--grace", "2s"]);
      expect(err).toContain(`stopped (pid ${pid})`);
      rmSync(socket, { force: true });
    }
  });

  test("shell runs as that account, and not as root", async () => {
    const mark = join(home, "who");
    const shell = join(home, "shell");
    theirs(shell, `#!/bin/sh\nid -u >>${mark}\nexec /bin/sh "$@"\n`, 0o755);
    theirs(config, JSON.stringify({ ...settings, shell }));
    await agent(["doctor"]);
    expect(readFileSync(mark, "utf8").trim().split("\n")).toEqual([String(UID)]);
  });

  test("agent starts as that account, in the foreground and in the background", async () => {
    const { code, err } = await agent(["start", "--daemon"], { env: { SECRET: "x", SUDO_UID: "0" } });
    expect({ code, err }).toMatchObject({ code: 0 });
    const { pid } = JSON.parse((await agent(["status", "--json"])).out);
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    expect(status).toContain(`Uid:\t${UID}\t${UID}\t${UID}\t${UID}`);
    expect(status).toMatch(/^Groups:\s*65534\s*$/m);
    expect(status).toContain("CapPrm:\t0000000000000000");
    expect(statSync(join(home, ".rexec/agent.log")).uid).toBe(UID);
    expect((await agent(["restart"])).err).toContain("restarted");
    expect((await agent(["logs"])).out).toContain("connected to");
    expect((await agent(["stop"])).err).toContain(`stopped (pid ${pid})`);
  }, 60_000);

  test("links lead to no file of root's", async () => {
    link(secret, join(home, ".rexec/agent.log"));
    link(secret, join(home, ".rexec/run/agent.pid"));
    link(secret, join(home, ".rexec/run/agent.log"));
    await agent(["start", "--daemon"]);
    await agent(["logs"]).then(({ out }) => expect(out).not.toContain("root's"));
    expect(readFileSync(secret, "utf8")).toBe("root's\n");
    link(secret, config);
    for (const command of [
      ["status"],
      ["refresh-token", "--token", String(settings.token)],
      ["unregister", "--yes"],
    ]) {
      const { code, out, err } = await agent(command);
      expect(out + err).not.toContain("root's");
      expect(code).not.toBe(0);
    }
    expect(readFileSync(secret, "utf8")).toBe("root's\n");
    expect(statSync(secret).uid).toBe(0);
  }, 60_000);

  test("files of certificates are read as that account", async () => {
    theirs(config, JSON.stringify({ ...settings, ca_file: secret }));
    for (const command of [
      ["update", "--check"],
      ["refresh-token", "--token", "x"],
    ]) {
      const { code, err } = await agent(command);
      expect(err).toContain(`cannot read the CA file ${secret}`);
      expect(code).toBe(1);
    }
  });

  test("FIFOs hold nothing up", async () => {
    const pidFile = join(home, ".rexec/run/agent.pid");
    Bun.spawnSync([...AS, "mkfifo", pidFile, join(home, ".rexec/agent.log")]);
    for (const command of [["status"], ["stop"], ["logs"], ["start", "--daemon", "--wait", "1s"]]) {
      await agent(command, { ms: 15_000 });
    }
    unlinkSync(config);
    Bun.spawnSync([...AS, "mkfifo", config]);
    for (const command of ["status", "start", "update", "unregister", "doctor"]) {
      expect((await agent([command], { ms: 15_000 })).code).not.toBe(0);
    }
  }, 120_000);

  test("home counts for that account under sudo that keeps HOME", async () => {
    const { out } = await agent(["status", "--json"], { named: false, env: { HOME: home } });
    if (!existsSync("/etc/rexec/agent.yaml"))
      expect(JSON.parse(out)).toMatchObject({ config, registered: true });
    // A file that root writes there is not root's.
    await agent(["register", "--name", "new"]);
    expect(statSync(config).uid).toBe(UID);
    expect(readFileSync(config, "utf8")).toContain(`"new"`);
  });

  test("folder makes a file of root's in it that account's to decide on", async () => {
    chownSync(config, 0, 0);
    const { code, err } = await agent(["status"]);
    expect(err).toContain(`cannot read ${config}`);
    expect(code).toBe(1);
  });

  test("path in the hands of two accounts, or of anybody, is refused", async () => {
    chownSync(config, OTHER_UID, OTHER_UID);
    expect((await agent(["stop"])).err).toContain("is in the hands of two accounts");
    chownSync(config, 0, 0);
    for (const path of [join(home, ".rexec"), join(home, ".rexec/run"), home]) chownSync(path, 0, 0);
    chmodSync(join(home, ".rexec"), 0o777);
    expect((await agent(["stop"])).err).toContain(`anybody may write to ${join(home, ".rexec")}`);
    chmodSync(join(home, ".rexec"), 0o700);
    chmodSync(config, 0o666);
    expect((await agent(["start"])).err).toContain(`anybody may write to ${config}`);
  });

  test("ephemeral agent is asked as that account, and its pid file ends none of root's", async () => {
    const { pid } = victim();
    const socket = await liar(statusOf(pid, { run: "ephemeral" }));
    const { err } = await agent(["stop", "--grace", "1s"], { named: false, env: { REXEC_CONTROL: socket } });
    expect(err).not.toContain("stopped");
    expect(() => process.kill(pid, 0)).not.toThrow();
  });

  test("log of an ephemeral agent in a folder that others made is not written", async () => {
    const runner = join(folder, "runner");
    mkdirSync(join(runner, "rexec"), { recursive: true });
    for (const path of [runner, join(runner, "rexec")]) chownSync(path, UID, UID);
    const env = { RUNNER_TEMP: runner, REXEC_TOKEN: gateway.token, REXEC_HOST: gateway.url };
    const { code, err } = await agent(["start", "--ephemeral", "--daemon"], { named: false, env });
    expect(err).toContain("it belongs to another account");
    expect(code).toBe(1);
    expect(readdirSync(join(runner, "rexec"))).toEqual([]);
  });

  test("process starts nothing as root at an update", async () => {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    const [executable, old] = [join(bin, "rexec-agent"), join(bin, "rexec-agent.old")];
    for (const path of [executable, old]) Bun.spawnSync(["cp", binary("rexec-agent"), path]);
    // A process of the former version with arguments and variables of its choice.
    const nowhere = join(home, "nowhere.json");
    theirs(nowhere, JSON.stringify({ ...settings, api_url: "http://127.0.0.1:1" }));
    const mark = `MARK=${crypto.randomUUID()}`;
    const child = attack(`exec env ${mark} ${old} start --config ${nowhere}`);
    await until(() => pidsWith(mark).includes(child.pid), 10_000, "the decoy");
    await liar(statusOf(child.pid, { run: "daemon" }));
    const program = (name: string) => JSON.stringify(join(import.meta.dir, "../../src/agent/update", name));
    const script = `import { knownAgent, restartAgent } from ${program("restart.ts")};
      import { runner } from ${JSON.stringify(join(import.meta.dir, "../../src/agent/service/run.ts"))};
      const config = ${JSON.stringify(config)}, env = process.env;
      const known = await knownAgent(config, env);
      console.log(await restartAgent(known, { executable: ${JSON.stringify(executable)}, config, env, run: runner(env) }));
      console.log(process.geteuid());`;
    const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", script], {
      env: { PATH, HOME: "/root" },
    });
    expect(stderr.toString() + stdout.toString()).toBe("daemon\n0\n");
    const started = await until(
      () => pidsWith(mark).find((pid) => pid !== child.pid) ?? null,
      10_000,
      "the agent that is started again",
    );
    try {
      expect(readFileSync(`/proc/${started}/status`, "utf8")).toContain(
        `Uid:\t${UID}\t${UID}\t${UID}\t${UID}`,
      );
    } finally {
      for (const pid of pidsWith(mark)) process.kill(pid, "SIGKILL");
    }
  }, 60_000);

  test("root's own is used as ever", async () => {
    const own = join(folder, "root/agent.json");
    mkdirSync(join(folder, "root"));
    writeFileSync(own, JSON.stringify(settings), { mode: 0o600 });
    config = own;
    const { code, out } = await agent(["status", "--json"]);
    expect(JSON.parse(out)).toMatchObject({ registered: true, config: own, running: false });
    expect(code).toBe(3);
  });
});

// --- internal ---

/** Processes with that variable in their environment. */
function pidsWith(variable: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(variable);
      } catch {
        return false;
      }
    })
    .map(Number);
}
