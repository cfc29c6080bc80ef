/** The installer on machines of another kind than this one: made of folders, so only root can. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as z from "zod/mini";
import { Stack } from "../../scripts/stack.ts";
import { binary } from "../support/binaries.ts";
import { describeUnless, lacks, tool, whyNotRoot } from "../support/needs.ts";
import { Terminal } from "../support/terminal.ts";
import { within } from "../support/wait.ts";
import { whyNoBox } from "../systemd/box.ts";

const INSTALLER = join(import.meta.dir, "..", "..", "install-agent.sh");
const folder = mkdtempSync(join(tmpdir(), "rexec-machines-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const why = whyNotRoot("chroot") ?? lacks("chroot", "busybox", "ldd");

describeUnless(why)("a machine with musl in the place of glibc", () => {
  test("is told that there is no build for it, before anything is downloaded or changed", async () => {
    const root = join(folder, "alpine");
    alpine(root);
    const child = Bun.spawn(
      [tool("chroot") ?? "", root, "/bin/sh", "-s", "--", "--api", "https://rexec.invalid"],
      {
        env: { PATH: "/bin" },
        stdin: Bun.file(INSTALLER),
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    const [err, code] = await Promise.all([child.stderr.text(), child.exited]);
    expect(err).toStartWith("error: this system has musl in the place of glibc (Alpine has)");
    expect(err).toContain("hint: run the agent on a glibc system");
    expect(code).toBe(1);
  });
});

const whyNoMounts = whyNoBox();

describeUnless(whyNoMounts)("a machine without a service manager, as containers are", () => {
  let container: Container;
  let stack: Stack;
  let clean: string[];

  beforeAll(async () => {
    const home = join(folder, "gateway");
    stack = new Stack({
      rexec: binary("rexec"),
      agent: binary("rexec-agent"),
      folder: home,
      env: { HOME: home },
    });
    await stack.startGateway();
    container = await Container.start(join(folder, "container"));
    clean = container.changedFiles();
  }, 60_000);
  afterAll(async () => {
    await container?.stop();
    await stack?.stop();
  });

  const install = (words: string, account = "root") => {
    const piped = `curl -fsSL ${stack.url}/install-agent.sh | sh -s -- ${words}`;
    const env = { REXEC_TOKEN: stack.token, SHELL: "/bin/sh" };
    if (account === "root") return container.run(["sh", "-c", piped], { ...env, HOME: "/root" });
    const set = ["env", "HOME=/srv/pi", "--unset=XDG_RUNTIME_DIR"];
    return container.run(
      ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ...set, "sh", "-c", piped],
      env,
    );
  };

  const agents = async () => {
    const headers = { authorization: `Bearer ${stack.token}` };
    return agentList.parse(await (await fetch(`${stack.url}/api/agents`, { headers })).json());
  };

  /** A command through the gateway; its output. */
  const exec = async (name: string, command: string) => {
    const words = [binary("rexec"), "exec", name, "--", "sh", "-c", command];
    const child = Bun.spawn(words, { env: stack.clientEnv, stdin: "ignore", stdout: "pipe" });
    return (await within(child.stdout.text(), 20_000, "the command")).trim();
  };

  test("gets an agent in the background, and is told that nothing starts it at boot", async () => {
    const { code, out, err } = await install("--name jar");
    expect(err).not.toContain("error:");
    expect(out).toContain("does not start at boot");
    expect(out).toContain(`ready: this machine is connected to ${stack.url}`);
    expect(code).toBe(0);
    expect(await agents()).toMatchObject([{ name: "jar", status: "online" }]);
    expect(await exec("jar", "id -u")).toBe("0");
  }, 60_000);

  test("run again it keeps its id", async () => {
    const [before] = await agents();
    const { code, out } = await install("");
    expect(out).toContain("ready: ");
    expect(code).toBe(0);
    expect(await agents()).toMatchObject([{ id: before?.id, status: "online" }]);
  }, 60_000);

  test("run again it ends no process without a need, and restarts in place with one", async () => {
    const shell = new Terminal([binary("rexec"), "connect", "jar"], { env: stack.clientEnv });
    await shell.type("echo set-$((40+2))\r");
    await shell.see("set-42", 20_000);
    const same = await install("");
    expect(same.out).toContain("the agent runs already, and nothing has changed");
    const { code, out } = await install("--name jug --labels a,b");
    expect({ code, out }).toMatchObject({ code: 0 });
    expect(await agents()).toMatchObject([{ status: "online" }]);
    await shell.type("echo still-$((40+2))\r");
    await shell.see("still-42", 20_000);
    await shell.type("exit\r");
    await shell.exit();
    expect((await container.run(["cat", "/etc/rexec/agent.yaml"], {})).out).toMatch(/name: jug[\s\S]*- a\n/);
  }, 60_000);

  test("is as it was after --uninstall", async () => {
    const { code, err } = await install("--uninstall");
    expect(err).not.toContain("warning");
    expect(code).toBe(0);
    expect(container.changedFiles()).toEqual(clean);
    expect(await agents()).toEqual([]);
    expect((await container.run(["pgrep", "--runstates", "D,R,S", "-f", "rexec-agent"], {})).code).toBe(1);
  }, 60_000);

  test("serves an account without root in the same way", async () => {
    await container.run(["sh", "-c", "mkdir /srv/pi && chown 65534:65534 /srv/pi"], {});
    const { code, out, err } = await install("--name pi", "pi");
    expect(err).not.toContain("error:");
    expect(out).toContain("installing for this account alone");
    expect(out).toContain("/srv/pi/.local/bin is not in your PATH");
    expect(code).toBe(0);
    expect(await exec("pi", "id -u; pwd")).toBe("65534\n/srv/pi");
    expect((await install("--uninstall", "pi")).code).toBe(0);
    expect(container.changedFiles()).toEqual(clean);
    expect((await container.run(["ls", "-A", "/srv/pi"], {})).out).toBe("");
    expect(await agents()).toEqual([]);
  }, 60_000);
});

describeUnless(whyNoMounts)("a machine with SysV init", () => {
  test("gets an init script that starts the agent, and is as it was after --uninstall", async () => {
    const home = join(folder, "sysv-gateway");
    const stack = new Stack({
      rexec: binary("rexec"),
      agent: binary("rexec-agent"),
      folder: home,
      env: { HOME: home },
    });
    await stack.startGateway();
    const container = await Container.start(join(folder, "sysv"), { keepScripts: true });
    try {
      const clean = container.changedFiles();
      const install = (words: string) =>
        container.run(["sh", "-c", `curl -fsSL ${stack.url}/install-agent.sh | sh -s -- ${words}`], {
          REXEC_TOKEN: stack.token,
          HOME: "/root",
        });
      const { code, out, err } = await install("--name old");
      expect(err).not.toContain("error:");
      expect(out).toContain("ready: ");
      expect(err).toContain("warning: nothing runs /etc/init.d/rexec-agent at the next start");
      expect(code).toBe(0);
      expect(container.changedFiles()).toContain("./etc/init.d/rexec-agent");
      const status = await container.run(["sh", "-c", "cd / && /etc/init.d/rexec-agent status"], {});
      expect(status).toMatchObject({ code: 0 });
      expect((await install("--uninstall")).code).toBe(0);
      expect(container.changedFiles()).toEqual(clean);
    } finally {
      await container.stop();
      await stack.stop();
    }
  }, 90_000);
});

// --- internal ---

const agentList = z.array(z.looseObject({ id: z.string(), name: z.string() }));

/** This machine's system without its init, in namespaces of its own; what is changed in it is on a tmpfs. */
class Container {
  readonly #folder: string;
  readonly #keeper: Bun.Subprocess<"ignore", "pipe", "inherit">;
  readonly #inside: number;

  private constructor(folder: string, keeper: Bun.Subprocess<"ignore", "pipe", "inherit">, inside: number) {
    this.#folder = folder;
    this.#keeper = keeper;
    this.#inside = inside;
  }

  /** @param keepScripts leave /etc/init.d in it */
  static async start(path: string, { keepScripts = false } = {}): Promise<Container> {
    mkdirSync(path);
    const script = `set -e
mount -t tmpfs -o mode=0755 rexec-container "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
${keepScripts ? "" : `rm -rf "$1/root/etc/init.d"`}
rm -rf "$1"/root/run/systemd "$1"/root/run/openrc "$1"/root/usr/local/bin/rexec* "$1"/root/etc/rexec "$1"/root/run/rexec "$1"/root/var/log/rexec
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
echo ready
exec chroot "$1/root" sleep infinity`;
    const words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", path];
    const keeper = Bun.spawn(words, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    const reader = keeper.stdout.getReader();
    await within(reader.read(), 20_000, "the container");
    const children = readFileSync(`/proc/${keeper.pid}/task/${keeper.pid}/children`, "utf8");
    return new Container(path, keeper, Number(children.trim()));
  }

  async run(command: readonly string[], env: Record<string, string>) {
    const words = [
      "nsenter",
      "--target",
      String(this.#inside),
      "--mount",
      "--pid",
      "--root",
      "--",
      ...command,
    ];
    const child = Bun.spawn(words, {
      env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    const [out, err, code] = await within(all, 50_000, command.join(" "));
    return { out, err, code };
  }

  /** Files that differ from this machine's. */
  changedFiles(): string[] {
    const upper = join(`/proc/${this.#keeper.pid}/root`, this.#folder, "up");
    const found = Bun.spawnSync(["find", ".", "!", "-type", "d"], { cwd: upper });
    return found.stdout.toString().split("\n").filter(Boolean).sort();
  }

  async stop(): Promise<void> {
    this.#keeper.kill("SIGKILL");
    await this.#keeper.exited;
  }
}

/** busybox with all its commands, and a loader of musl's name. This machine's busybox is told to use a hidden glibc. */
function alpine(root: string): void {
  const busybox = Bun.which("busybox") ?? "";
  const hidden = "/opt/ld.so";
  for (const name of ["bin", "dev", "lib", "opt"]) mkdirSync(join(root, name), { recursive: true });
  const program = readFileSync(busybox);
  for (const library of Bun.spawnSync(["ldd", busybox]).stdout.toString().matchAll(/\/\S+/g)) {
    const [path] = library;
    const loader = Buffer.from(`${path}\0`);
    const at = program.indexOf(loader);
    const isLoader = at >= 0 && path.includes("/ld-linux");
    if (isLoader) program.fill(Buffer.from(hidden.padEnd(loader.length, "\0")), at, at + loader.length);
    const inside = join(root, isLoader ? hidden : path);
    mkdirSync(dirname(inside), { recursive: true });
    cpSync(path, inside, { dereference: true });
  }
  writeFileSync(join(root, "bin/busybox"), program, { mode: 0o755 });
  for (const name of Bun.spawnSync([busybox, "--list"]).stdout.toString().trim().split("\n")) {
    if (name !== "busybox") symlinkSync("busybox", join(root, "bin", name));
  }
  writeFileSync(join(root, "dev/null"), "");
  writeFileSync(join(root, "lib/ld-musl-x86_64.so.1"), "");
}
