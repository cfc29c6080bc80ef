/** `rexec serve install` on a machine with a real systemd. The box shares this machine's network. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { Stack } from "../../scripts/stack.ts";
import { binary } from "../support/binaries.ts";
import { describeUnless, tool } from "../support/needs.ts";
import { Terminal } from "../support/terminal.ts";
import { until } from "../support/wait.ts";
import { Box, whyNoBox } from "./box.ts";

const UNIT = "rexec-gateway.service";
const PROGRAM = "/usr/local/bin/rexec";
const CONFIG = "/etc/rexec/serve.yaml";
const PI_UID = 4242;
/** The exposure that `systemd-analyze security` finds, of 10. 0.2 of it is for the network, which a gateway serves. */
const MOST_EXPOSURE = 1.5;

describeUnless(whyNoBox())("the gateway's service on a booted systemd", () => {
  let box: Box;
  let clean: string[];
  let port = 0;

  beforeAll(async () => {
    port = freePort();
    box = await Box.boot();
    await box.must(["useradd", "--create-home", "--uid", String(PI_UID), "--shell", "/bin/bash", "pi"]);
    copyFileSync(binary("rexec"), box.path(PROGRAM));
    clean = await box.changedFiles();
  }, 240_000);
  afterAll(() => box?.[Symbol.asyncDispose](), 60_000);

  const install = (...args: string[]) => box.run(["rexec", "serve", "install", ...args]);
  const url = () => `http://127.0.0.1:${port}`;
  const pid = async () => Number(await box.show(UNIT, "MainPID"));

  test("is printed by --dry-run, clean to systemd-analyze, and nothing is changed", async () => {
    const { code, out } = await install("--dry-run", "--port", String(port));
    expect(code).toBe(0);
    for (const name of [UNIT, "rexec-gateway.socket"]) {
      const [, text = ""] = out.split(`/etc/systemd/system/${name}\n`);
      const unit = text.split("\n# /etc/")[0] ?? "";
      expect(unit).toContain("[Install]");
      writeFileSync(box.path(`/tmp/${name}`), unit.replace(/^User=.*\nGroup=.*\n/m, ""));
    }
    const { err, code: verified } = await box.run(["systemd-analyze", "verify", `/tmp/${UNIT}`]);
    expect([verified, err]).toEqual([0, ""]);
    await box.must(["rm", `/tmp/${UNIT}`, "/tmp/rexec-gateway.socket"]);
    expect(await box.changedFiles()).toEqual(clean);
  }, 60_000);

  test("is refused without root, without a port that stays, and where its account could not run it", async () => {
    const asPi = await box.run(["runuser", "-u", "pi", "--", "rexec", "serve", "install"]);
    expect(asPi.err).toContain("hint: run: sudo /usr/local/bin/rexec serve install; or add --user");
    expect((await install("--port", "0")).err).toContain("a service needs a port that stays");
    expect((await install("--host", "gateway.example")).err).toContain(
      'cannot listen on the name "gateway.example"',
    );
    expect((await install("--data", "/root/data")).err).toContain("the service does not see /root/data");
    copyFileSync(binary("rexec"), box.path("/root/rexec"));
    const { err } = await box.run(["/root/rexec", "serve", "install", "--port", String(port)]);
    expect(err).toContain("the service does not see /root/rexec");
    await box.must(["rm", "/root/rexec"]);
    // An account of that name may be a person's.
    await box.must(["useradd", "--shell", "/bin/bash", "rexec"]);
    expect((await install("--port", String(port))).err).toContain("the account rexec is a person's");
    await box.must(["userdel", "rexec"]);
    await box.must(["rm", "-r", "/etc/rexec"]);
    expect(await box.changedFiles()).toEqual(clean);
  }, 60_000);

  test("starts, as an account of its own, with its data in /var/lib/rexec", async () => {
    const { code, err } = await install("--port", String(port), "--scrollback", "500");
    expect([code, err]).toEqual([0, expect.stringContaining("started the service")]);
    expect(err).toContain(`it listens on ${url()}`.replace("http://127.0.0.1", "http://127.0.0.1"));
    expect(err).toContain("administrator's token: /var/lib/rexec/admin-token");
    expect(readFileSync(box.path(CONFIG), "utf8")).toBe(
      [
        "# Settings of the gateway. rexec serve --print-config shows all of them.",
        `port: ${port}`,
        "data: /var/lib/rexec",
        "scrollback: 500",
        "",
      ].join("\n"),
    );
    const health = await fetch(`${url()}/health`);
    expect(health.status).toBe(200);
    expect(await box.must(["stat", "-c", "%U:%G %a", CONFIG])).toBe("root:rexec 640");
    expect(await box.must(["stat", "-c", "%U:%G %a", "/var/lib/rexec/"])).toBe("rexec:rexec 700");
    const status = await box.must(["sh", "-c", `cat /proc/${await pid()}/status`]);
    const account = await box.must(["id", "-u", "rexec"]);
    expect(status).toMatch(new RegExp(`^Uid:\\t${account}\\t${account}\\t`, "m"));
    for (const set of ["CapPrm", "CapEff", "CapBnd", "CapAmb"])
      expect(status).toMatch(new RegExp(`^${set}:\\t0+$`, "m"));
    expect(status).toContain("NoNewPrivs:\t1");
    expect(status).toContain("Seccomp:\t2");
    expect(await box.must(["getent", "passwd", "rexec"])).toMatch(/\/nologin$/);
  }, 60_000);

  test("has an exposure that systemd-analyze security finds to be small", async () => {
    const out = await box.must(["systemd-analyze", "security", "--no-pager", UNIT]);
    const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(out)?.[1]);
    if (!(exposure <= MOST_EXPOSURE)) throw new Error(`exposure ${exposure}:\n${out}`);
    expect(exposure).toBeLessThanOrEqual(MOST_EXPOSURE);
  }, 60_000);

  test("logs nothing but what it should: no warning of what it may not do", async () => {
    const log = await box.must(["journalctl", "-u", UNIT, "--no-pager", "--output=cat"]);
    expect(log).toContain(`listens on ${url()}, data in /var/lib/rexec`);
    expect(log).not.toMatch(/\[error\]|a fault of this program|EPERM|denied/);
    expect(log).not.toContain(readFileSync(box.path("/var/lib/rexec/admin-token"), "utf8").trim());
  }, 60_000);

  test("is told by status, with an exit code", async () => {
    const { code, out } = await box.run(["rexec", "serve", "status"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^service {2}active, pid \d+, since /m);
    expect(out).toMatch(new RegExp(`^gateway  ${url()}, version \\d`, "m"));
    const json = JSON.parse(await box.must(["rexec", "serve", "status", "--json"]));
    expect(json).toMatchObject({ service: "active", socket: "active", url: url(), config: CONFIG });
    // Anyone may ask.
    expect((await box.run(["runuser", "-u", "pi", "--", "rexec", "serve", "status"])).code).toBe(0);
  }, 60_000);

  test("installed again it does nothing, and options do not contradict the file", async () => {
    const before = await pid();
    const { err } = await install();
    expect(err).toContain("nothing to do");
    expect(await pid()).toBe(before);
    const other = await install("--port", "1");
    expect([other.code, other.err]).toEqual([2, expect.stringContaining(`set it in ${CONFIG}`)]);
  }, 60_000);

  test("refuses no connection while it restarts: by hand, after a crash, and with a new executable", async () => {
    const load = new Load(`${url()}/health`);
    const first = await pid();
    await box.must(["systemctl", "restart", UNIT]);
    const second = await pid();
    expect(second).not.toBe(first);
    await load.answers();
    await box.must(["kill", "-9", String(second)]);
    await until(async () => (await pid()) !== second && (await pid()) !== 0, 30_000, "the next process");
    await load.answers();
    // The next version comes as a new file, renamed into its place.
    copyFileSync(binary("rexec"), box.path(`${PROGRAM}.new`));
    renameSync(box.path(`${PROGRAM}.new`), box.path(PROGRAM));
    const third = await pid();
    expect((await install()).err).toContain("restarted the service");
    expect(await pid()).not.toBe(third);
    await load.answers();
    expect(await load.end()).toEqual([]);
  }, 120_000);

  test("keeps a shell through a restart: no line of it is lost or comes twice", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rexec-service-"));
    const env = { HOME: folder, NO_COLOR: "1" };
    const stack = new Stack({ rexec: binary("rexec"), agent: binary("rexec-agent"), folder, env });
    stack.url = url();
    stack.token = readFileSync(box.path("/var/lib/rexec/admin-token"), "utf8").trim();
    try {
      await stack.register("outside");
      await stack.startAgent({ SHELL: "/bin/bash" });
      await using shell = new Terminal([binary("rexec"), "connect", "outside"], { env: stack.clientEnv });
      await shell.type("echo shell=$$\r");
      const [, pid] = await shell.see(/shell=(\d+)/, 20_000);
      await shell.type("for i in $(seq 1 80); do echo line-$i-; sleep 0.05; done; echo end=$$\r");
      await shell.see("line-5-", 20_000);
      await box.must(["systemctl", "restart", UNIT]);
      expect((await shell.see(/end=(\d+)/, 60_000))[1]).toBe(pid);
      const lines = [...shell.shown.matchAll(/line-(\d+)-/g)].map(([, number]) => Number(number));
      expect(lines).toEqual(Array.from({ length: 80 }, (_, n) => n + 1));
      await shell.type("exit\r");
    } finally {
      await stack.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 180_000);

  test("takes a change of its file, and stays down for a wrong one, with the line", async () => {
    const path = box.path(CONFIG);
    const good = readFileSync(path, "utf8");
    writeFileSync(path, `${good}max_agents: 7\n`);
    const { code, err } = await install();
    expect([code, err]).toEqual([2, expect.stringContaining(`${CONFIG}:5: there is no key "max_agents"`)]);
    expect(err).toContain('did you mean "quotas.agents"?');
    await box.run(["systemctl", "restart", UNIT]);
    await until(async () => (await box.show(UNIT, "ActiveState")) === "failed", 20_000, "the end of tries");
    expect((await box.run(["rexec", "serve", "status"])).code).toBe(3);
    writeFileSync(path, `${good}quotas:\n  agents: 7\n`);
    expect((await install()).code).toBe(0);
    expect((await fetch(`${url()}/health`)).status).toBe(200);
  }, 120_000);

  test.skipIf(tool("openssl") === null)(
    "serves https with files that its account can read, and reloads them",
    async () => {
      const make = (name: string) =>
        box.must([
          ..."openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9".split(" "),
          ...["-subj", `/CN=${name}`, "-keyout", "/etc/rexec/key.pem", "-out", "/etc/rexec/cert.pem"],
        ]);
      await make("one");
      const path = box.path(CONFIG);
      const plain = readFileSync(path, "utf8");
      writeFileSync(path, `${plain}tls:\n  cert: cert.pem\n  key: key.pem\n`);
      const refused = await install();
      expect(refused.err).toContain("the account rexec cannot read /etc/rexec/key.pem");
      await box.must(["chgrp", "rexec", "/etc/rexec/key.pem"]);
      await box.must(["chmod", "640", "/etc/rexec/key.pem"]);
      expect((await install()).code).toBe(0);
      const before = await pid();
      expect((await box.run(["rexec", "serve", "status"])).code).toBe(0);
      await make("two");
      await box.must(["systemctl", "reload", UNIT]);
      await until(
        async () =>
          (await box.must(["journalctl", "-u", UNIT, "--no-pager", "--output=cat"])).includes("CN=two"),
        20_000,
        "the new certificate",
      );
      expect(await pid()).toBe(before);
      writeFileSync(path, plain);
      expect((await install()).code).toBe(0);
    },
    120_000,
  );

  test("moves to another port, also a privileged one, without a capability", async () => {
    const path = box.path(CONFIG);
    const before = readFileSync(path, "utf8");
    const low = [81, 82, 83, 84, 85].find(isFree);
    if (low === undefined) return;
    writeFileSync(path, before.replace(/^port: .*/m, `port: ${low}`));
    // A restart alone keeps the socket, and says so.
    await box.must(["systemctl", "restart", UNIT]);
    expect(await box.must(["journalctl", "-u", UNIT, "--no-pager", "--output=cat"])).toContain(
      "run rexec serve install",
    );
    expect((await install()).code).toBe(0);
    expect((await fetch(`http://127.0.0.1:${low}/health`)).status).toBe(200);
    writeFileSync(path, before);
    expect((await install()).code).toBe(0);
    expect((await fetch(`${url()}/health`)).status).toBe(200);
  }, 120_000);

  test("names an address in its links that a network can reach, though it cannot list interfaces", async () => {
    const outside = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .find(({ internal, family }) => !internal && family === "IPv4");
    if (!outside) return;
    const path = box.path(CONFIG);
    const before = readFileSync(path, "utf8");
    writeFileSync(path, `host: 0.0.0.0\n${before}`);
    expect((await install()).code).toBe(0);
    const link = await box.must(["rexec", "admin", "login-link"]);
    expect(link).toContain(`http://${outside.address}:${port}/login-link#`);
    // What root's command has written, the service's account goes on with.
    expect(await box.must(["find", "/var/lib/rexec/", "!", "-user", "rexec"])).toBe("");
    writeFileSync(path, before);
    expect((await install()).code).toBe(0);
  }, 120_000);

  test("comes up at the next boot, and uninstall leaves the data alone", async () => {
    await box.reboot();
    await until(
      async () => (await fetch(`${url()}/health`).catch(() => null))?.status === 200,
      60_000,
      "the gateway",
    );
    const { code, err } = await box.run(["rexec", "serve", "uninstall"]);
    expect(code).toBe(0);
    expect(err).toContain("these stay: /etc/rexec/serve.yaml, /var/lib/rexec, and the account rexec");
    const left = (await box.changedFiles()).filter((file) => !clean.includes(file));
    expect(left.filter((file) => file.includes("systemd") || file.includes("sysusers"))).toEqual([]);
    expect(existsSync(box.path("/var/lib/rexec/gateway.db"))).toBe(true);
    expect(statSync(box.path("/var/lib/rexec")).mode & 0o777).toBe(0o700);
    expect((await box.run(["rexec", "serve", "status"])).code).toBe(3);
    const again = await box.run(["rexec", "serve", "uninstall"]);
    expect([again.code, again.err]).toEqual([0, expect.stringContaining("there was no service")]);
  }, 240_000);

  test("of an account runs in its own systemd, and from boot on", async () => {
    await box.must(["loginctl", "enable-linger", "pi"]);
    await until(() => existsSync(box.path(`/run/user/${PI_UID}/bus`)), 30_000, "the account's systemd");
    const env = ["env", "HOME=/home/pi", `XDG_RUNTIME_DIR=/run/user/${PI_UID}`];
    const asPi = (...words: string[]) =>
      box.run(["runuser", "-u", "pi", "--", ...env, "rexec", "serve", ...words]);
    const { code, err } = await asPi("install", "--user", "--port", String(port));
    expect([code, err]).toEqual([0, expect.stringContaining("started the service")]);
    expect((await fetch(`${url()}/health`)).status).toBe(200);
    expect(existsSync(box.path("/home/pi/.rexec/gateway/gateway.db"))).toBe(true);
    expect((await asPi("status", "--user")).code).toBe(0);
    expect((await asPi("install", "--user")).err).toContain("nothing to do");
    expect((await asPi("uninstall", "--user")).err).toContain(
      "removed /home/pi/.config/systemd/user/rexec-gateway.service",
    );
    expect((await asPi("status", "--user")).code).toBe(3);
  }, 120_000);
});

/** Clients that ask one after the other, each on a connection of its own. */
class Load {
  readonly #failed: string[] = [];
  readonly #clients: Promise<void>[];
  #answers = 0;
  #isOver = false;

  constructor(url: string) {
    const client = async () => {
      while (!this.#isOver) {
        try {
          await fetch(url, { keepalive: false, signal: AbortSignal.timeout(30_000) });
          this.#answers += 1;
        } catch (error) {
          // A connection that the old process had accepted may be cut; a refused one is a fault.
          if (/refused|Unable to connect|timed out/i.test(String(error))) this.#failed.push(String(error));
        }
      }
    };
    this.#clients = Array.from({ length: 4 }, client);
  }

  /** Waits for more answers. */
  async answers(): Promise<void> {
    const before = this.#answers;
    await until(() => this.#answers > before + 8, 30_000, "answers");
  }

  /** @returns what was refused */
  async end(): Promise<string[]> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    return this.#failed;
  }
}

function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}
