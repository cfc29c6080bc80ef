/** A booted machine with the agent's executable on it, and a gateway outside that it can reach. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as z from "zod/mini";
import { Stack } from "../../scripts/stack.ts";
import { binary, distFolder } from "../support/binaries.ts";
import { Terminal } from "../support/terminal.ts";
import { until } from "../support/wait.ts";
import { Box, type BoxRan } from "./box.ts";

export const UNIT = "rexec-agent.service";
/** Of the account without root, `pi`. */
export const PI_UID = 4242;

export class Machine implements AsyncDisposable {
  private constructor(
    readonly box: Box,
    readonly stack: Stack,
    readonly folder: string,
  ) {}

  /** @param options `isBare`: nothing of ours is on it yet; `downloads`: what the gateway hands out */
  static async start({ isBare = false, downloads = distFolder } = {}): Promise<Machine> {
    const folder = mkdtempSync(join(tmpdir(), "rexec-machine-"));
    const stack = new Stack({
      rexec: binary("rexec"),
      agent: binary("rexec-agent"),
      folder,
      env: { HOME: folder, NO_COLOR: "1" },
      gatewayArgs: ["--downloads", downloads],
    });
    const box = await Box.boot();
    const machine = new Machine(box, stack, folder);
    try {
      await stack.startGateway();
      if (!isBare) copyFileSync(binary("rexec-agent"), box.path("/usr/local/bin/rexec-agent"));
      await box.must(["useradd", "--create-home", "--uid", String(PI_UID), "--shell", "/bin/bash", "pi"]);
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Registers the machine for root. */
  register(...args: string[]): Promise<string> {
    const words = ["rexec-agent", "register", "--name", "box", "--host", this.stack.url, ...args];
    return this.box.must(words, { REXEC_TOKEN: this.stack.token, SHELL: "/bin/bash" });
  }

  /** Runs a command as another account, as `su` does. */
  as(account: string, command: readonly string[], env: Record<string, string> = {}): Promise<BoxRan> {
    const set = Object.entries({ HOME: `/home/${account}`, ...env }).map(
      ([name, value]) => `${name}=${value}`,
    );
    return this.box.run(["runuser", "-u", account, "--", "env", ...set, ...command]);
  }

  /** The service's main process, as the box numbers it. */
  async pid(): Promise<number> {
    return Number(await this.box.show(UNIT, "MainPID"));
  }

  /** Waits until another process than that is the service's, and up. */
  async newPid(old: number, ms = 60_000): Promise<number> {
    return until(
      async () => {
        const pid = await this.pid();
        return pid !== 0 && pid !== old && (await this.box.show(UNIT, "ActiveState")) === "active"
          ? pid
          : null;
      },
      ms,
      "the service to be up again",
    );
  }

  /** As the gateway lists them. */
  async agents(): Promise<{ status: string }[]> {
    const list = z.array(z.object({ status: z.string() }));
    return list.parse(await (await this.#api("GET", "/api/agents")).json());
  }

  /** Whether the gateway has it online. */
  async isOnline(): Promise<boolean> {
    return (await this.agents()).some(({ status }) => status === "online");
  }

  async online(ms = 30_000): Promise<void> {
    await until(() => this.isOnline(), ms, "the gateway to have the machine online");
  }

  /** Runs a command on the machine through the gateway, which has to succeed; its output. */
  async exec(command: string, name = "box"): Promise<string> {
    const child = Bun.spawn([binary("rexec"), "exec", name, "--", "sh", "-c", command], {
      env: this.stack.clientEnv,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    if (code !== 0) throw new Error(`rexec exec ${name} -- ${command} left with ${code}: ${err}`);
    return out.trim();
  }

  /** As `exec`, from the moment on at which the new agent is connected. */
  async execOnceOnline(command: string): Promise<string> {
    return until(() => this.exec(command).catch(() => null), 30_000, `the machine to run ${command}`);
  }

  /** Makes a token of the administrator's. */
  async mint(scopes: readonly string[]): Promise<string> {
    const response = await this.#api("POST", "/api/tokens", { name: "minted", scopes });
    return z.object({ token: z.string() }).parse(await response.json()).token;
  }

  async revoke(token: string): Promise<void> {
    const list = z.object({ tokens: z.array(z.object({ id: z.string(), token_prefix: z.string() })) });
    const { tokens } = list.parse(await (await this.#api("GET", "/api/tokens")).json());
    const found = tokens.find(({ token_prefix: prefix }) => token.startsWith(prefix));
    const { ok } = await this.#api("DELETE", `/api/tokens/${found?.id}`);
    if (!ok) throw new Error("the token could not be revoked");
  }

  /** A person's shell on the machine through the gateway. */
  shell(name = "box"): Terminal {
    return new Terminal([binary("rexec"), "connect", name], { env: this.stack.clientEnv });
  }

  /** Writes a file of the box, or removes it, and has systemd read its units anew. */
  async unitFile(path: string, text: string | null): Promise<void> {
    const outside = this.box.path(path);
    if (text === null) rmSync(outside);
    else {
      mkdirSync(dirname(outside), { recursive: true });
      writeFileSync(outside, text);
    }
    await this.box.must(["systemctl", "daemon-reload"]);
  }

  #api(method: string, path: string, body?: object): Promise<Response> {
    const headers = { authorization: `Bearer ${this.stack.token}` };
    return fetch(`${this.stack.url}${path}`, {
      method,
      headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.box[Symbol.asyncDispose]();
    await this.stack.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
