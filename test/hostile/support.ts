/**
 * The compiled gateway under attack: `await using gateway = await attackedGateway()`, then
 * `(await gateway.under(() => attack())).isUnhurt()`.
 */
import { expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { type Answer, call } from "../support/gateway.ts";
import { within } from "../support/wait.ts";

/** What a gateway used while something went on. */
export interface Burden {
  /** The highest resident memory, bytes. */
  peakBytes: number;
  /** The longest wait for an answer of `/health`, ms. */
  stallMs: number;
}

/** What an attack may cost beside an idle gateway: by how much more, as ratios. */
export interface Allowance {
  memory?: number;
  stall?: number;
}

/** An idle gateway has about 100 MB. */
const MEMORY_RATIO = 2;
const STALL_RATIO = 20;
/** An idle gateway counts as one that answers within this, ms: a ratio of a millisecond means nothing. */
const LEAST_STALL_MS = 15;
/** How long a gateway is idle to be measured, ms. */
const IDLE_MS = 500;

export class AttackReport {
  readonly idle: Burden;
  readonly attacked: Burden;

  constructor(idle: Burden, attacked: Burden) {
    this.idle = idle;
    this.attacked = attacked;
  }

  get memoryRatio(): number {
    return this.attacked.peakBytes / this.idle.peakBytes;
  }

  get stallRatio(): number {
    return this.attacked.stallMs / Math.max(LEAST_STALL_MS, this.idle.stallMs);
  }

  /** @throws where the attack cost more than allowed; by default 2 × the memory and 20 × the longest stall */
  isUnhurt({ memory = MEMORY_RATIO, stall = STALL_RATIO }: Allowance = {}): void {
    expect(this.memoryRatio).toBeLessThan(memory);
    expect(this.stallRatio).toBeLessThan(stall);
  }
}

/** The compiled `rexec serve` on a free port with a folder of its own. Fits the test agents' and viewers' `connect`. */
export class AttackedGateway implements AsyncDisposable {
  readonly folder: string;
  readonly url: string;
  /** Of the administrator, all scopes. */
  readonly token: string;
  readonly #child: Bun.Subprocess;
  readonly #prober: Worker;
  readonly #log: () => string;

  constructor(its: { folder: string; url: string; token: string; child: Bun.Subprocess; log: () => string }) {
    this.folder = its.folder;
    this.url = its.url;
    this.token = its.token;
    this.#child = its.child;
    this.#log = its.log;
    this.#prober = new Worker(join(import.meta.dir, "health-prober.ts"));
    this.#prober.postMessage({ url: its.url });
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** All that it wrote to stderr so far. */
  get log(): string {
    return this.#log();
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** @param token null for none; default: the administrator's */
  api(method: string, path: string, body?: unknown, token: string | null = this.token): Promise<Answer> {
    return call(this.url, method, path, body, token);
  }

  /** A new agent and its own token. */
  async register(name = "box"): Promise<{ id: string; token: string }> {
    const { json } = await this.api("POST", "/api/agents/register", { name, os: "linux", arch: "amd64" });
    return { id: json.id, token: json.token };
  }

  /** Measures it idle, then under the attack until that has settled; both are over when this resolves. */
  async under(attack: () => Promise<unknown>): Promise<AttackReport> {
    const idle = await this.measure(() => Bun.sleep(IDLE_MS));
    const attacked = await this.measure(attack);
    expect(this.isAlive).toBe(true);
    return new AttackReport(idle, attacked);
  }

  async measure(what: () => Promise<unknown>): Promise<Burden> {
    writeFileSync(`/proc/${this.pid}/clear_refs`, "5"); // forgets the peak so far: see proc(5)
    await this.#probe();
    await what();
    const { longest } = await this.#probe();
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return { stallMs: longest, peakBytes: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#prober.terminate();
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    rmSync(this.folder, { recursive: true, force: true });
  }

  // --- internal ---

  #probe(): Promise<{ longest: number; answers: number }> {
    const { promise, resolve } = Promise.withResolvers<{ longest: number; answers: number }>();
    this.#prober.onmessage = ({ data }) => resolve(data);
    this.#prober.postMessage("report");
    return within(promise, 5_000, "the prober's report");
  }
}

/** @param options further words of the command line */
export async function attackedGateway(
  options: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<AttackedGateway> {
  const folder = mkdtempSync(join(tmpdir(), "rexec-hostile-"));
  const child = Bun.spawn(
    [
      binary("rexec"),
      "serve",
      "--host",
      "127.0.0.1",
      "--port",
      "0",
      "--data",
      join(folder, "data"),
      ...options,
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...process.env, ...env }, cwd: folder },
  );
  let log = "";
  void collect(child.stderr, (text) => {
    log += text;
  });
  let said = "";
  const ready = Promise.withResolvers<string>();
  void collect(child.stdout, (text) => {
    said += text;
    const url = /Gateway ready at (\S+)\n/.exec(said)?.[1];
    if (url) ready.resolve(url);
  });
  try {
    const url = await within(ready.promise, 15_000, "the gateway to be ready");
    // Not at a terminal the first token goes into a file, before anything is said.
    const token = readFileSync(join(folder, "data", "admin-token"), "utf8").trim();
    return new AttackedGateway({ folder, url, token, child, log: () => log });
  } catch (error) {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`the gateway did not start: ${said}${log}`, { cause: error });
  }
}

// --- internal ---

async function collect(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}
