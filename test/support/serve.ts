/** `rexec serve` as a process of its own, which a test can kill -9 and start again on the same data and port. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { within } from "./wait.ts";

const ENTRY = join(import.meta.dir, "../../src/rexec.ts");

export class ServeProcess implements AsyncDisposable {
  readonly dataDir = mkdtempSync(join(tmpdir(), "rexec-serve-"));
  readonly #options: readonly string[];
  #child: Bun.Subprocess<"ignore", "pipe", "pipe"> | null = null;
  #port = 0;
  token = "";

  readonly #openFiles: number | null;

  /**
   * @param options further words of the command line
   * @param openFiles limit of open files; null for that of the test
   */
  constructor(options: readonly string[] = [], openFiles: number | null = null) {
    this.#options = options;
    this.#openFiles = openFiles;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resident bytes. */
  get rss(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  }

  /** CPU time so far, milliseconds. */
  get cpuMs(): number {
    const [user, system] =
      readFileSync(`/proc/${this.pid}/stat`, "utf8").split(") ")[1]?.split(" ").slice(11, 13) ?? [];
    return (Number(user) + Number(system)) * 10; // clock ticks of 1/100 s
  }

  /** @param port 0 for any; otherwise that of before, where it had one */
  async start(port = this.#port): Promise<this> {
    const limited = ["sh", "-c", `ulimit -n ${this.#openFiles} && exec "$@"`, "sh"];
    const child = Bun.spawn(
      [
        ...(this.#openFiles === null ? [] : limited),
        process.execPath,
        ENTRY,
        "serve",
        "--port",
        String(port),
        "--data",
        this.dataDir,
        ...this.#options,
      ],
      {
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
        env: { ...process.env, REXEC_LOG: "warn" },
        cwd: this.dataDir,
      },
    );
    this.#child = child;
    let said = "";
    const decoder = new TextDecoder();
    const ready = async () => {
      for await (const chunk of child.stdout) {
        said += decoder.decode(chunk, { stream: true });
        if (
          /Gateway ready at \S+\n/.test(said) &&
          said.includes("rexec-agent") !== said.includes("Lost the token")
        )
          break;
      }
    };
    await within(ready(), 10_000, "the gateway to be ready");
    this.#port = Number(/Gateway ready at http:\/\/[^:]+:(\d+)/.exec(said)?.[1] ?? 0);
    this.token ||= readFileSync(join(this.dataDir, "admin-token"), "utf8").trim();
    return this;
  }

  /** As the kernel does when memory is short. */
  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
