/** The built programs with weather on both legs: agent – proxy – gateway – proxy – viewers. */
import { createCipheriv, createHash, type Hash } from "node:crypto";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { StackOptions } from "../../scripts/stack.ts";
import { type Ran, World } from "../e2e/support.ts";
import type { Terminal, TerminalOptions } from "../support/terminal.ts";
import { V2Viewer, type V2ViewerOptions } from "../support/v2-viewer.ts";
import { ChaosProxy, type ProxyOptions } from "./proxy.ts";

export interface ChaosOptions {
  stack?: Partial<StackOptions>;
  proxies?: ProxyOptions;
  /** Silence after which a line is given up, everywhere; default 8 s, as shipped. */
  deadAfter?: string;
}

export class ChaosWorld {
  readonly #world: World;
  readonly agentLeg: ChaosProxy;
  readonly viewerLeg: ChaosProxy;
  readonly #deadAfter: readonly string[];
  #agentId = "";

  private constructor(
    world: World,
    legs: { agent: ChaosProxy; viewer: ChaosProxy },
    deadAfter: readonly string[],
  ) {
    this.#world = world;
    this.agentLeg = legs.agent;
    this.viewerLeg = legs.viewer;
    this.#deadAfter = deadAfter;
  }

  /** Gateway, proxies, and an agent named `box` that is online. */
  static async start({ stack = {}, proxies = {}, deadAfter }: ChaosOptions = {}): Promise<ChaosWorld> {
    const liveness = deadAfter === undefined ? [] : ["--dead-after", deadAfter];
    const settings = deadAfter === undefined ? {} : { dead_after: deadAfter, ping_interval: "600ms" };
    const ping = deadAfter === undefined ? [] : ["--ping-interval", "1s"];
    const world = new World({
      ...stack,
      gatewayArgs: [...liveness, ...ping, ...(stack.gatewayArgs ?? [])],
      agentSettings: { ...settings, ...stack.agentSettings },
    });
    const chaos = await (async () => {
      await world.stack.startGateway();
      const port = Number(new URL(world.stack.url).port);
      const legs = { agent: await ChaosProxy.to(port, proxies), viewer: await ChaosProxy.to(port, proxies) };
      return new ChaosWorld(world, legs, liveness);
    })().catch(async (error: unknown) => {
      await world[Symbol.asyncDispose]();
      throw error;
    });
    try {
      await world.stack.register("box", chaos.agentLeg.url);
      chaos.#agentId = (await world.stack.startAgent()).id;
      return chaos;
    } catch (error) {
      await chaos[Symbol.asyncDispose]();
      throw error;
    }
  }

  get stack(): World["stack"] {
    return this.#world.stack;
  }

  get folder(): string {
    return this.#world.folder;
  }

  get agentId(): string {
    return this.#agentId;
  }

  /** `rexec` on a terminal, behind the proxy. */
  terminal(args: readonly string[], options: TerminalOptions = {}): Terminal {
    return this.#world.terminal(args, { ...options, env: { ...this.clientEnv, ...options.env } });
  }

  /** `rexec` with pipes, to its end. */
  rexec(args: readonly string[]): Promise<Ran> {
    return this.#world.rexec(args);
  }

  /** A scripted viewer of rexec.v2, behind the proxy. */
  viewer(options: V2ViewerOptions = {}): V2Viewer {
    const url = `${this.viewerLeg.url}/ws/agent/${this.#agentId}/terminal`;
    return new V2Viewer(() => url, this.stack.token, options);
  }

  /** For a client behind the proxy. */
  get clientEnv(): Record<string, string | undefined> {
    return { ...this.stack.clientEnv, REXEC_HOST: this.viewerLeg.url };
  }

  /** Options of `connect`, `attach` and `exec` that go with the world's. */
  get clientArgs(): readonly string[] {
    return this.#deadAfter;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Kills the gateway without a word, and starts it again on the same port and data. */
  async replaceGateway(): Promise<void> {
    await this.stack.stopGateway("SIGKILL");
    await this.stack.startGateway();
  }

  /** What the programs said last, for a failure. */
  lastWords(): string {
    const { gateway, agent } = this.stack.logs;
    return [
      ["gateway", gateway],
      ["agent", agent],
    ]
      .map(([name, path]) => `${name} said last:\n${tail(path ?? "")}`)
      .join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#world[Symbol.asyncDispose]();
    await Promise.all([this.agentLeg[Symbol.asyncDispose](), this.viewerLeg[Symbol.asyncDispose]()]);
  }
}

/** A file of pseudo-random ASCII without line feeds: `bytes` of the letters of base64. Gives its SHA-256. */
export function writePayload(path: string, bytes: number, seed: number): string {
  const key = createHash("sha256").update(String(seed)).digest();
  const cipher = createCipheriv("aes-128-ctr", key.subarray(0, 16), key.subarray(16));
  const hash = createHash("sha256");
  const file = openSync(path, "w", 0o600);
  try {
    // A multiple of 3, so that no padding comes in between.
    for (let left = bytes; left > 0; ) {
      const text = cipher.update(Buffer.alloc(3 * 256 * 1024)).toString("base64");
      const piece = Buffer.from(text).subarray(0, left);
      hash.update(piece);
      writeSync(file, piece);
      left -= piece.length;
    }
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}

/** Takes a stream in which `size` bytes stand between READY and other text, and keeps only their hash. */
export class Framed {
  readonly #size: number;
  readonly #hash: Hash = createHash("sha256");
  #begun: boolean;
  #head = "";
  #tail = "";
  #bytes = 0;
  /** Called when something has come. */
  onProgress: () => void = () => {};

  /** @param begun true where no READY comes first */
  constructor(size: number, begun = false) {
    this.#size = size;
    this.#begun = begun;
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** Bytes of those `size` that are here. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Text before READY. */
  get head(): string {
    return this.#head;
  }

  /** Text behind the `size` bytes. */
  get tail(): string {
    return this.#tail;
  }

  /** Of the bytes so far. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  take(chunk: Uint8Array): void {
    let rest = chunk;
    if (!this.#begun) {
      this.#head += Buffer.from(rest).toString("latin1");
      const at = this.#head.indexOf("READY");
      if (at < 0) return;
      rest = Buffer.from(this.#head.slice(at + 5), "latin1");
      this.#head = this.#head.slice(0, at);
      this.#begun = true;
    }
    const mine = rest.subarray(0, this.#size - this.#bytes);
    this.#hash.update(mine);
    this.#bytes += mine.length;
    this.#tail += Buffer.from(rest.subarray(mine.length)).toString("latin1");
    this.onProgress();
  }
}

export function tail(path: string, lines = 15): string {
  try {
    return readFileSync(path, "utf8").trim().split("\n").slice(-lines).join("\n");
  } catch {
    return "";
  }
}
