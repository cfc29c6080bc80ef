/**
 * An account without privileges, with a home of its own, in which the built agent runs as a person's would. Where the
 * tests run as root it is `nobody`, so that nothing is written into the machine's own folders.
 */
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Stack } from "../../scripts/stack.ts";
import { binary } from "./binaries.ts";
import { Terminal } from "./terminal.ts";
import { within } from "./wait.ts";

/** `nobody` on Debian; any would do. */
const UID = 65_534;

export interface Ran {
  code: number;
  out: string;
  err: string;
}

export interface RunOptions {
  env?: Record<string, string>;
  ms?: number;
  /** A shell script that prepares a world of its own (mounts) around the program; run by root. */
  world?: string;
  /** `args` are `sh SCRIPT`, to be run in place of the agent. */
  shell?: boolean;
}

export const isRoot = process.getuid?.() === 0;

export class Account implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "rexec-account-"));
  readonly home = join(this.folder, "home");
  readonly config = join(this.home, ".rexec", "agent.json");
  readonly runtime = join(this.home, ".rexec", "run");
  readonly program = join(this.folder, "rexec-agent");
  readonly stack: Stack;

  constructor() {
    chmodSync(this.folder, 0o755);
    mkdirSync(this.home, { mode: 0o700 });
    if (isRoot) chownSync(this.home, UID, UID);
    copyFileSync(binary("rexec-agent"), this.program);
    chmodSync(this.program, 0o755);
    const rexec = binary("rexec");
    this.stack = new Stack({ rexec, agent: this.program, folder: join(this.folder, "gateway") });
  }

  /** With a gateway, at which it is registered. */
  static async registered(name = "box"): Promise<Account> {
    const account = new Account();
    await account.stack.startGateway();
    const { code, err } = await account.run(["register", "--name", name, "--host", account.stack.url], {
      env: { REXEC_TOKEN: account.stack.token },
    });
    if (code !== 0) throw new Error(`register left with ${code}: ${err}`);
    return account;
  }

  get settings(): Record<string, unknown> {
    return JSON.parse(readFileSync(this.config, "utf8"));
  }

  /** Of the agent that runs, as its pid file has it; 0 where there is none. */
  get pid(): number {
    try {
      return Number.parseInt(readFileSync(join(this.runtime, "agent.pid"), "utf8"), 10);
    } catch {
      return 0;
    }
  }

  /** Runs `rexec-agent` to its end. */
  async run(args: readonly string[], { env = {}, ms = 20_000, world, shell }: RunOptions = {}): Promise<Ran> {
    const program = shell ? ["sh", "-c"] : [this.program];
    const words = shell ? args.slice(1) : args;
    const child = Bun.spawn(this.#words(words, env, world, program), {
      cwd: "/",
      env: {},
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

  /** Starts `rexec-agent`; whoever calls ends it. */
  spawn(args: readonly string[]) {
    return Bun.spawn(this.#words(args, {}), {
      cwd: "/",
      env: {},
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** `rexec-agent` at a terminal. */
  terminal(args: readonly string[], env: Record<string, string> = {}): Terminal {
    const [file = "env", ...words] = this.#words(args, env);
    return new Terminal([Bun.which(file) ?? file, ...words]);
  }

  async json(): Promise<Record<string, unknown>> {
    return JSON.parse((await this.run(["status", "--json"])).out);
  }

  /** A request of the gateway's admin. */
  async api(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await fetch(`${this.stack.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.stack.token}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return answer.json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run(["stop", "--grace", "2s"]).catch(() => {});
    await this.stack.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #words(
    args: readonly string[],
    env: Record<string, string>,
    world?: string,
    program: readonly string[] = [this.program],
  ): string[] {
    const { PATH = "/usr/bin:/bin" } = process.env;
    const all = { PATH, HOME: this.home, SHELL: "/bin/sh", PS1: "$ ", REXEC_CONFIG: this.config, ...env };
    const assignments = Object.entries(all).map(([name, value]) => `${name}=${value}`);
    const plain = ["env", "-i", ...assignments, ...program, ...args];
    const asUser = isRoot
      ? ["setpriv", `--reuid=${UID}`, `--regid=${UID}`, "--clear-groups", ...plain]
      : plain;
    return world ? ["unshare", "--mount", "sh", "-ec", `${world}\nexec "$@"`, "sh", ...asUser] : asUser;
  }
}
