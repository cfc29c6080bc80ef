/** `rexec` as a person runs it: a child process of its own, with pipes or on a PTY, and a home of its own. */
import { expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPty } from "../../../src/pty/open.ts";
import type { Pty } from "../../../src/pty/pty.ts";
import { until } from "../../support/wait.ts";
import { TOKEN } from "./v1-server.ts";

export const ENTRY = join(import.meta.dir, "../../../src/rexec.ts");

/** A home folder that goes with the scope. */
export function temporaryHome(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "rexec-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export interface Ran {
  code: number;
  stdout: Buffer;
  stderr: string;
}

export function environment(extra: Record<string, string> = {}): Record<string, string> {
  return { PATH: process.env.PATH ?? "", HOME: "/nonexistent", TERM: "xterm-256color", ...extra };
}

/** With the login of the test server. */
export function loggedIn(url: string, extra: Record<string, string> = {}): Record<string, string> {
  return environment({ REXEC_HOST: url, REXEC_TOKEN: TOKEN, ...extra });
}

/** Runs to its end; stdin is empty unless given. */
export async function rexec(
  args: readonly string[],
  env: Record<string, string> = environment(),
  stdin: Uint8Array | string | null = null,
  entry = ENTRY,
): Promise<Ran> {
  const child = Bun.spawn([process.execPath, entry, ...args], {
    env,
    stdin: stdin === null ? "ignore" : Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.bytes(), child.stderr.text()]);
  const code = await child.exited;
  return { code, stdout: Buffer.from(stdout), stderr };
}

/** A program on a PTY, and everything it has shown. */
export class Screen implements AsyncDisposable {
  shown = "";
  readonly pty: Pty;

  private constructor(pty: Pty) {
    this.pty = pty;
    void this.#read();
  }

  static async of(
    file: string,
    args: string[],
    env: Record<string, string>,
    size = { cols: 90, rows: 25 },
  ): Promise<Screen> {
    return new Screen(await openPty({ file, args, env, cwd: "/tmp", ...size }));
  }

  static rexec(args: string[], env: Record<string, string>): Promise<Screen> {
    return Screen.of(process.execPath, [ENTRY, ...args], env);
  }

  async type(text: string): Promise<void> {
    await this.pty.write(Buffer.from(text));
  }

  /** Waits until it shows the text or a match. */
  async shows(what: string | RegExp, ms = 8_000): Promise<void> {
    const found = () => (typeof what === "string" ? this.shown.includes(what) : what.test(this.shown));
    try {
      await until(found, ms, `${what} on the screen`);
    } catch (error) {
      throw new Error(`${String(error)}; it shows ${JSON.stringify(this.shown.slice(-600))}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pty.close(200);
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for (let chunk = await this.pty.read(); chunk; chunk = await this.pty.read()) {
      this.shown += decoder.decode(chunk, { stream: true });
    }
  }
}

/** `rexec` between two looks at the terminal's settings; the shell around it shows its exit code. */
export function between(args: string, env: Record<string, string>): Promise<Screen> {
  const script = `echo "before=$(stty -g)"; "$0" "$1" ${args}; echo "rc=$?"; echo "after=$(stty -g)"; echo done`;
  return Screen.of("/bin/bash", ["-c", script, process.execPath, ENTRY], env);
}

/** Whatever happened, the terminal is as it was. */
export async function expectRestored(screen: Screen, code: number): Promise<void> {
  await screen.shows("\ndone");
  const settings = (when: string) => new RegExp(`${when}=(\\S+)`).exec(screen.shown)?.[1];
  expect(settings("before")).toMatch(/^[0-9a-f:]+$/);
  expect(settings("after")).toBe(settings("before"));
  expect(/rc=(\d+)/.exec(screen.shown)?.[1]).toBe(String(code));
}

/** The process that the shell on the screen waits for. */
export async function childOf(screen: Screen): Promise<number> {
  const file = `/proc/${screen.pty.pid}/task/${screen.pty.pid}/children`;
  return until(() => Number(readFileSync(file, "utf8").trim().split(" ")[0]) || null, 3_000, "a child");
}
