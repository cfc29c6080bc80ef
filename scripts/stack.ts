/**
 * Gateway and agent as real processes of the executables in dist/, in a folder of their own: for the demo, the bench
 * and the end-to-end tests.
 */
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Timeout of a process's start, ms. */
const START_TIMEOUT_MS = 20_000;
/** Timeout of its end after SIGTERM, ms. */
const STOP_TIMEOUT_MS = 5_000;

/** The executables of a stack, its folder and its settings. */
export interface StackOptions {
  /** Paths of the executables. */
  rexec: string;
  agent: string;
  /** For data, configuration and logs. */
  folder: string;
  /** Added to the environment of both; undefined removes a variable. */
  env?: Record<string, string | undefined>;
  /** A runner for the agent's command, such as qemu. */
  agentRunner?: readonly string[];
  /** Port of the gateway; default: any free one. */
  port?: number;
  /** Further words for `rexec serve`. */
  gatewayArgs?: readonly string[];
  /** Further keys for the agent's configuration file. */
  agentSettings?: Readonly<Record<string, string | number>>;
}

/** A gateway with an agent. Its owner stops it on every way out. */
export class Stack {
  readonly #options: StackOptions;
  #gateway: Bun.Subprocess | null = null;
  #agent: Bun.Subprocess | null = null;
  /** The gateway's, `http://127.0.0.1:PORT`; empty before it runs. */
  url = "";
  /** The admin's token, from the first start. */
  token = "";

  constructor(options: StackOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  }

  get gatewayPid(): number {
    return this.#gateway?.pid ?? 0;
  }

  get agentPid(): number {
    return this.#agent?.pid ?? 0;
  }

  get paths(): { rexec: string; agent: string } {
    return { rexec: this.#options.rexec, agent: this.#options.agent };
  }

  /** The log files. */
  get logs(): { gateway: string; agent: string } {
    return {
      gateway: join(this.#options.folder, "gateway.log"),
      agent: join(this.#options.folder, "agent.log"),
    };
  }

  /** The environment of a CLI for this gateway. */
  get clientEnv(): Record<string, string | undefined> {
    return { ...this.#env(), REXEC_HOST: this.url, REXEC_TOKEN: this.token };
  }

  /** Starts the gateway, and again after `stopGateway`: then on the same port with the same data. */
  async startGateway(): Promise<void> {
    const { rexec, folder, port, gatewayArgs = [] } = this.#options;
    const samePort = this.url ? new URL(this.url).port : String(port ?? 0);
    const args = ["serve", "--host", "127.0.0.1", "--port", samePort, "--data", join(folder, "gateway")];
    const gateway = Bun.spawn([rexec, ...args, ...gatewayArgs], {
      env: this.#env(),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#gateway = gateway;
    const said = new Listener(this.logs.gateway, [gateway.stdout, gateway.stderr]);
    await said.find(/Gateway ready/, gateway.exited, "the gateway to be ready");
    const url = await said.find(
      /http:\/\/127\.0\.0\.1:\d+/,
      gateway.exited,
      "the gateway to say its address",
    );
    this.url = url;
    // Without a terminal the first token goes into a file, before any output.
    this.token ||= readFileSync(join(folder, "gateway", "admin-token"), "utf8").trim();
    await poll(async () => (await fetch(`${url}/health`)).ok, gateway.exited, "the gateway to be healthy");
  }

  /** Registers this machine; the agent's configuration is then in the folder. `host`: dial this, a proxy say. */
  async register(name: string, host = this.url, env: Record<string, string> = {}): Promise<void> {
    const { agent, agentRunner = [] } = this.#options;
    const child = Bun.spawn([...agentRunner, agent, "register", "--name", name, "--host", host], {
      env: { ...this.#agentEnv(), REXEC_TOKEN: this.token, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    if (code !== 0) throw new Error(`rexec-agent register left with ${code}: ${err.trim() || out.trim()}`);
    const settings = Object.entries(this.#options.agentSettings ?? {});
    const config = join(this.#options.folder, "agent.yaml");
    for (const [key, value] of settings) appendFileSync(config, `${key}: ${JSON.stringify(value)}\n`);
  }

  /** Starts the agent and waits until it is online. @returns its id, and how long that took, ms */
  async startAgent(env: Record<string, string> = {}): Promise<{ id: string; ms: number }> {
    const { agent, agentRunner = [] } = this.#options;
    const log = openSync(this.logs.agent, "a", 0o600);
    const start = performance.now();
    const child = Bun.spawn([...agentRunner, agent, "start"], {
      env: { ...this.#agentEnv(), ...env },
      stdin: "ignore",
      stdout: log,
      stderr: log,
    });
    closeSync(log);
    this.#agent = child;
    const online = await poll(() => this.#online(), child.exited, "the agent to be online").catch(
      (error: unknown) => {
        throw new Error(`${error instanceof Error ? error.message : error}\n${tail(this.logs.agent)}`);
      },
    );
    return { id: online, ms: performance.now() - start };
  }

  async stopAgent(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await end(this.#agent, signal);
    this.#agent = null;
  }

  async stopGateway(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await end(this.#gateway, signal);
    this.#gateway = null;
  }

  /** Stops the agent first: it would log the loss of its gateway. */
  async stop(): Promise<void> {
    await this.stopAgent();
    await this.stopGateway();
  }

  /** For a way out that cannot await. */
  kill(): void {
    for (const child of [this.#agent, this.#gateway]) if (child?.exitCode === null) child.kill("SIGKILL");
  }

  async #online(): Promise<string | null> {
    const response = await fetch(`${this.url}/api/agents`, {
      headers: { authorization: `Bearer ${this.token}` },
    });
    const agents: unknown = await response.json();
    return Array.isArray(agents) ? (agents.find(isOnline)?.id ?? null) : null;
  }

  #env(): Record<string, string | undefined> {
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/^(REXEC_|BUN_|npm_)|^(TERM|COLORTERM)$/.test(name),
    );
    return { ...Object.fromEntries(inherited), ...this.#options.env };
  }

  #agentEnv(): Record<string, string | undefined> {
    return { ...this.#env(), REXEC_CONFIG: join(this.#options.folder, "agent.yaml") };
  }
}

// --- internal ---

function isOnline(agent: unknown): agent is { id: string } {
  if (typeof agent !== "object" || agent === null || !("id" in agent) || !("status" in agent)) return false;
  return typeof agent.id === "string" && agent.status === "online";
}

/** All output of a process, in which a caller can wait for a text. */
class Listener {
  #said = "";

  constructor(log: string, streams: ReadableStream<Uint8Array>[]) {
    for (const stream of streams) void this.#listen(log, stream);
  }

  /** Waits for the first match. @throws Error with the output, where none comes */
  async find(pattern: RegExp, exited: Promise<number>, what: string): Promise<string> {
    try {
      return await poll(() => pattern.exec(this.#said)?.[0], exited, what);
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}; it said:\n${this.#said.trim()}`);
    }
  }

  async #listen(log: string, stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true });
      this.#said = (this.#said + text).slice(-64 * 1024);
      appendFileSync(log, text.replaceAll(/(rexec_(?:[a-z]+_)?[0-9a-f]{6})[0-9a-f]+/g, "$1…"), {
        mode: 0o600,
      });
    }
  }
}

/** Asks until there is an answer. @throws Error at the timeout, or when the process ends */
async function poll<T>(
  ask: () => T | Promise<T>,
  exited: Promise<number>,
  what: string,
): Promise<NonNullable<T> & {}> {
  let over: number | null = null;
  void exited.then((code) => {
    over = code;
  });
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const answer = await Promise.resolve(ask()).catch(() => null);
    if (answer) return answer;
    if (over !== null) throw new Error(`waited for ${what}, but the process left with ${over}`);
    await Bun.sleep(2);
  }
  throw new Error(`waited ${START_TIMEOUT_MS / 1000} s for ${what}`);
}

async function end(child: Bun.Subprocess | null, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null) return;
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await child.exited;
  clearTimeout(timer);
}

function tail(path: string): string {
  try {
    return readFileSync(path, "utf8").trim().split("\n").slice(-10).join("\n");
  } catch {
    return "";
  }
}
