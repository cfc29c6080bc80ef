/**
 * A machine with a real systemd: this one's own system, booted by systemd-nspawn with its changes on a tmpfs. It shares
 * the network, so a server on this machine's loopback can be reached from within. Boot takes some ten seconds: one box
 * for a test file.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lacks, whyNotRoot } from "../support/needs.ts";
import { until, within } from "../support/wait.ts";

/** How long a boot may take, ms: CI's machines are slow, and two test files may run on two cores. */
const BOOT_MS = 120_000;
const COMMAND_MS = 60_000;
const PROBE_MS = 30_000;

export interface BoxRan {
  code: number;
  out: string;
  err: string;
}

/** Why no box can be booted here, or null. Asked before the tests, so that they can be skipped with the reason. */
export function whyNoBox(): string | null {
  const why =
    whyNotRoot("boot a container") ?? lacks("systemd-nspawn", "nsenter", "setpriv", "systemctl", "pgrep");
  if (why !== null) return why;
  if (!existsSync("/usr/lib/systemd/systemd") && !existsSync("/lib/systemd/systemd"))
    return "no systemd here";
  // Mounting and making control groups is what an unprivileged container (Docker's) does not let its root do.
  const folder = mkdtempSync(join(tmpdir(), "rexec-box-"));
  const name = `rexec-probe-${process.pid}`;
  const cgroups = ownCgroups(name);
  try {
    const words = launch("probe", name, folder, cgroups);
    const { exitCode, stderr } = Bun.spawnSync(words, { stdin: "ignore", timeout: PROBE_MS });
    const said = stderr.toString().trim().split("\n").at(-1);
    return exitCode === 0 ? null : `this root cannot run a container: ${said || `it left with ${exitCode}`}`;
  } finally {
    for (const cgroup of cgroups) removeCgroup(cgroup);
    rmSync(folder, { recursive: true, force: true });
  }
}

export class Box implements AsyncDisposable {
  readonly #name: string;
  readonly #folder: string;
  readonly #cgroups: string[];
  readonly #launcher: Bun.Subprocess<"ignore", "pipe", "pipe">;
  #console = "";
  #init = 0;

  private constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), "rexec-box-"));
    this.#name = `rexec-box-${process.pid}`;
    this.#cgroups = ownCgroups(this.#name);
    this.#launcher = Bun.spawn(launch("boot", this.#name, this.#folder, this.#cgroups), {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    for (const stream of [this.#launcher.stdout, this.#launcher.stderr]) void this.#listen(stream);
  }

  /** Boots one, and waits until its services are up. @throws Error with what the console said */
  static async boot(): Promise<Box> {
    const box = new Box();
    try {
      await box.#booted();
      return box;
    } catch (error) {
      await box[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Where a file of the box is seen from outside. Not for a path with an absolute symbolic link on it, such as
   * /var/run: the outer machine would follow it to its own file.
   */
  path(inside: string): string {
    return join(`/proc/${this.#init}/root`, inside);
  }

  /** Runs a command in the box, as root without a terminal. */
  async run(command: readonly string[], env: Record<string, string> = {}, ms = COMMAND_MS): Promise<BoxRan> {
    const child = this.spawn(command, env);
    const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    try {
      const [out, err, code] = await within(all, ms, `${command.join(" ")} in the box`);
      return { code, out: out.trim(), err: err.trim() };
    } finally {
      if (child.exitCode === null) child.kill("SIGKILL");
    }
  }

  /** As `run`, without waiting. */
  spawn(command: readonly string[], env: Record<string, string> = {}) {
    const plain = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root" };
    // nsenter's own --wd is a folder of the outside.
    const inside = ["sh", "-c", 'cd / && exec "$@"', "sh", ...command];
    const words = ["nsenter", "--target", String(this.#init), "--all", "--", ...inside];
    return Bun.spawn(words, {
      env: { ...plain, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** Runs a command that has to succeed; its stdout. @throws Error with its stderr */
  async must(command: readonly string[], env: Record<string, string> = {}, ms = COMMAND_MS): Promise<string> {
    const { code, out, err } = await this.run(command, env, ms);
    if (code !== 0) throw new Error(`${command.join(" ")} left with ${code}: ${err || out}`);
    return out;
  }

  /**
   * Files that differ from the outer machine's, made or changed in the box; not those that a running system writes by
   * itself, nor those in its own memory (/run, /tmp).
   */
  async changedFiles(): Promise<string[]> {
    const [launcher = 0] = childrenOf(this.#launcher.pid);
    const upper = join(`/proc/${launcher}/root`, this.#folder, "up");
    // Character devices are what an overlay notes removals by, and those depend on what the outer machine happens to
    // have: box.sh takes an agent's configuration out of the box, for example, where there is one outside.
    const search = ["find", ".", "!", "-type", "d", "!", "-type", "c"];
    const found = Bun.spawnSync(search, { cwd: upper }).stdout.toString();
    const paths = found.split("\n").map((path) => path.slice(1));
    return paths.filter((path) => path && !/^\/var\/(log|lib\/systemd|lib\/private)\//.test(path)).sort();
  }

  /** A property of a unit, as `systemctl show` has it. */
  show(unit: string, property: string): Promise<string> {
    return this.must(["systemctl", "show", "--property", property, "--value", unit]);
  }

  /** Shuts it down and boots it again. */
  async reboot(): Promise<void> {
    const before = this.#init;
    await this.run(["systemctl", "reboot"]).catch(() => null); // its end may take the command along
    await until(() => !existsSync(`/proc/${before}`), BOOT_MS, "the box to go down");
    await this.#booted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const descendants = descendantsOf(this.#launcher.pid);
    this.#launcher.kill("SIGKILL");
    await this.#launcher.exited;
    await until(() => descendants.every((pid) => !existsSync(`/proc/${pid}`)), 20_000, "the box to be gone");
    for (const cgroup of this.#cgroups) removeCgroup(cgroup);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #booted(): Promise<void> {
    const failed = () => new Error(`the box did not boot:\n${this.#console.slice(-4000)}`);
    this.#init = await until(
      () => {
        if (this.#launcher.exitCode !== null) throw failed();
        return initOf(this.#launcher.pid);
      },
      BOOT_MS,
      "the container's first process",
    );
    await until(
      async () => {
        if (this.#launcher.exitCode !== null) throw failed();
        const { out } = await this.run(["systemctl", "is-system-running"]);
        return out === "running" || out === "degraded";
      },
      BOOT_MS,
      () => `the box to be up:\n${this.#console.slice(-4000)}`,
    );
  }

  async #listen(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#console = (this.#console + decoder.decode(chunk, { stream: true })).slice(-64 * 1024);
    }
  }
}

// --- internal ---

/** The command that mounts and runs a box, in namespaces that take everything away with them. */
function launch(what: "boot" | "probe", name: string, folder: string, cgroups: readonly string[]): string[] {
  // The PID namespace is for the end of it: with its first process, all of it dies.
  const spaces = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const script = join(import.meta.dir, "box.sh");
  return [
    ...["setpriv", "--pdeathsig", "KILL", "unshare", ...spaces],
    ...["sh", script, what, name, folder, ...cgroups],
  ];
}

/** A control group for the box in each hierarchy that systemd uses: two boxes in one would clash. */
function ownCgroups(name: string): string[] {
  const own = readFileSync("/proc/self/cgroup", "utf8").trim().split("\n");
  const at = (prefix: string, line: string | undefined) =>
    line === undefined ? [] : [join(prefix, line.slice(line.indexOf("/")), name)];
  const unified = existsSync("/sys/fs/cgroup/cgroup.controllers")
    ? "/sys/fs/cgroup"
    : "/sys/fs/cgroup/unified";
  return [
    ...(existsSync(unified)
      ? at(
          unified,
          own.find((line) => line.startsWith("0::")),
        )
      : []),
    ...(existsSync("/sys/fs/cgroup/systemd")
      ? at(
          "/sys/fs/cgroup/systemd",
          own.find((line) => line.includes(":name=systemd:")),
        )
      : []),
  ];
}

/** From the innermost out; one that still has a process in it stays, and says so. */
function removeCgroup(path: string): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(path, entry.name));
  }
  rmdirSync(path);
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

/** The container's systemd: the first process of its PID namespace, once it is systemd. */
function initOf(launcher: number): number | null {
  const isInit = (pid: number) =>
    /^NSpid:.*\s1$/m.test(read(`/proc/${pid}/status`)) && read(`/proc/${pid}/comm`).trim() === "systemd";
  return descendantsOf(launcher).find(isInit) ?? null;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
