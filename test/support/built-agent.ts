/** The built agent with a configuration of its own, and what a person can ask of it. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askAgent, askStatus } from "../../src/agent/control/client.ts";
import { runtimePlaces } from "../../src/agent/control/place.ts";
import { binary } from "./binaries.ts";
import { until } from "./wait.ts";

export class BuiltAgent implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "rexec-built-"));
  readonly #config = join(this.folder, "agent.json");
  readonly #log = join(this.folder, "agent.log");
  readonly #env: Record<string, string | undefined>;
  readonly #child: Bun.Subprocess;

  constructor(
    server: { url: string; token: string; agentId: string },
    env: Record<string, string> = {},
    settings: object = {},
    /** Put in front of the agent's command. */
    runner: readonly string[] = [],
  ) {
    const { url, token, agentId } = server;
    const config = { api_url: url, token, agent_id: agentId, name: "box", shell: "/bin/sh", ...settings };
    writeFileSync(this.#config, JSON.stringify(config), { mode: 0o600 });
    const { PATH = "" } = process.env;
    this.#env = { PATH, HOME: this.folder, PS1: "$ ", REXEC_CONFIG: this.#config, ...env };
    writeFileSync(this.#log, "");
    this.#child = Bun.spawn([...runner, binary("rexec-agent"), "start"], {
      env: this.#env,
      cwd: this.folder,
      stdio: ["ignore", "ignore", Bun.file(this.#log)],
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  get log(): string {
    return readFileSync(this.#log, "utf8");
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Resident bytes. */
  get rss(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  }

  /** A program at this path, as a script; to be given to `restartWith`. */
  program(name: string, script: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  /** `rexec-agent …` with its configuration. */
  async command(...args: string[]): Promise<{ code: number; text: string }> {
    const child = Bun.spawn([binary("rexec-agent"), ...args], {
      env: this.#env,
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { code, text: out + err };
  }

  status() {
    return askStatus(this.#place);
  }

  /** Asks it to go on as that program. */
  restartWith(program: string) {
    return askAgent(this.#place, { do: "restart", binary: program }, { timeoutMs: 15_000 });
  }

  /** Waits until it has been replaced so often, and is connected. */
  restarted(count: number, ms = 15_000) {
    return until(
      async () => {
        const status = await this.status().catch(() => null);
        return status?.restart?.count === count && status.connection === "connected" ? status : null;
      },
      ms,
      () => `replacement ${count} of the agent, which says:\n${this.log}`,
    );
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Resolves when it has ended. */
  get exited(): Promise<number> {
    return this.#child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.exited;
    rmSync(this.folder, { recursive: true, force: true });
  }

  // --- internal ---

  get #place() {
    return runtimePlaces(this.#config, this.#env)[0];
  }
}
