/** `rexec-agent start` as a process of its own, whose memory and CPU time a test can read. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ENTRY = join(import.meta.dir, "../../src/rexec-agent.ts");

export class AgentProcess implements AsyncDisposable {
  readonly #home = mkdtempSync(join(tmpdir(), "rexec-agent-"));
  #isStopped = false;
  readonly #child: Bun.Subprocess<"ignore", "ignore", "pipe">;

  /**
   * @param settings keys of the configuration file
   * @param options words behind `start`
   */
  constructor(
    server: { url: string; token: string; agentId: string },
    settings: object = {},
    options: readonly string[] = [],
  ) {
    const file = join(this.#home, "agent.json");
    const { url, token, agentId } = server;
    const config = { api_url: url, token, agent_id: agentId, name: "box", shell: "/bin/sh", ...settings };
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
    const { PATH = "" } = process.env;
    this.#child = Bun.spawn([process.execPath, ENTRY, "start", "-c", file, ...options], {
      env: { PATH, HOME: this.#home, PS1: "$ " },
      cwd: this.#home,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Resident bytes. */
  get rss(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  }

  /** Seconds of CPU so far. */
  get cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Ends it. @returns what it logged */
  async stop(): Promise<string> {
    this.#isStopped = true;
    this.#child.kill("SIGTERM");
    const log = await this.#child.stderr.text();
    await this.#child.exited;
    return log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isStopped) await this.stop();
    rmSync(this.#home, { recursive: true, force: true });
  }
}
