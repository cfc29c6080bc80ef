/** The built executables, run as a person would: one gateway, one agent, any number of clients. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod/mini";
import { Stack, type StackOptions } from "../../scripts/stack.ts";
import { binary } from "../support/binaries.ts";
import { Terminal, type TerminalOptions } from "../support/terminal.ts";
import { within } from "../support/wait.ts";

const agentList = z.array(z.object({ id: z.string() }));
const sessionList = z.object({ sessions: z.array(z.object({ kind: z.string() })) });

export interface Ran {
  code: number;
  stdout: Buffer;
  stderr: string;
}

export class World {
  readonly folder = mkdtempSync(join(tmpdir(), "rexec-e2e-"));
  readonly stack: Stack;

  constructor(options: Partial<StackOptions> = {}) {
    this.stack = new Stack({
      rexec: binary("rexec"),
      agent: binary("rexec-agent"),
      folder: this.folder,
      ...options,
      // A home of its own, so that no credentials or shell profile of whoever runs the tests gets in.
      env: { HOME: this.folder, SHELL: "/bin/bash", PS1: "$ ", NO_COLOR: "1", ...options.env },
    });
  }

  /** Gateway, registered agent, both up. */
  static async start(options: Partial<StackOptions> = {}, name = "box"): Promise<World> {
    const world = new World(options);
    await world.stack.startGateway();
    await world.stack.register(name);
    await world.stack.startAgent();
    return world;
  }

  /** `rexec` on a terminal. */
  terminal(args: readonly string[], options: TerminalOptions = {}): Terminal {
    return new Terminal([binary("rexec"), ...args], {
      ...options,
      env: { ...this.stack.clientEnv, ...options.env },
    });
  }

  /** `rexec` with pipes, to its end. */
  async rexec(
    args: readonly string[],
    stdin: Uint8Array | string | null = null,
    ms = 30_000,
    env = this.stack.clientEnv,
  ): Promise<Ran> {
    const child = Bun.spawn([binary("rexec"), ...args], {
      env,
      stdin: stdin === null ? "ignore" : new Blob([stdin]),
      stdout: "pipe",
      stderr: "pipe",
    });
    const all = Promise.all([child.stdout.bytes(), child.stderr.text(), child.exited]);
    try {
      const [stdout, stderr, code] = await within(all, ms, `rexec ${args.join(" ")} to end`);
      return { code, stdout: Buffer.from(stdout), stderr };
    } finally {
      if (child.exitCode === null) child.kill("SIGKILL");
    }
  }

  /** Whether the gateway has an agent online. */
  async isOnline(): Promise<boolean> {
    const headers = { authorization: `Bearer ${this.stack.token}` };
    const agents: unknown = await (await fetch(`${this.stack.url}/api/agents`, { headers })).json();
    return JSON.stringify(agents).includes('"status":"online"');
  }

  /** Commands that the agent runs over rexec.v2. */
  async runs(): Promise<number> {
    const headers = { authorization: `Bearer ${this.stack.token}` };
    const [agent] = agentList.parse(await (await fetch(`${this.stack.url}/api/agents`, { headers })).json());
    const answer = await fetch(`${this.stack.url}/api/agents/${agent?.id}/sessions`, { headers });
    return sessionList.parse(await answer.json()).sessions.filter(({ kind }) => kind === "run").length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
