/** A program on a real PTY, with what it has shown so far: how a test sits at a terminal. */
import { openPty } from "../../src/pty/open.ts";
import type { Pty, PtyExit } from "../../src/pty/pty.ts";
import { until, within } from "./wait.ts";

export interface TerminalOptions {
  env?: Record<string, string | undefined>;
  cols?: number;
  rows?: number;
  cwd?: string;
}

export class Terminal {
  readonly #pty: Pty;
  /** Resolves at the end of all output. */
  readonly #drained: Promise<void>;
  #shown = "";
  #seen = 0;

  constructor(
    command: readonly [string, ...string[]],
    { env = {}, cols = 100, rows = 30, cwd }: TerminalOptions = {},
  ) {
    const [file, ...args] = command;
    const all = { ...process.env, TERM: "xterm-256color", ...env };
    const set = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
    this.#pty = openPty({ file, args, env: Object.fromEntries(set), cwd: cwd ?? process.cwd(), cols, rows });
    this.#drained = this.#pump();
  }

  get pid(): number {
    return this.#pty.pid;
  }

  /** Everything shown since the start. */
  get shown(): string {
    return this.#shown;
  }

  /** Waits until text that was not waited for before matches; later waits look behind the match. */
  async see(pattern: RegExp | string, ms = 10_000): Promise<RegExpMatchArray> {
    const regex = typeof pattern === "string" ? new RegExp(literally(pattern)) : pattern;
    return until(
      () => {
        const match = regex.exec(this.#shown.slice(this.#seen));
        if (!match) return null;
        this.#seen += match.index + match[0].length;
        return match;
      },
      ms,
      () =>
        `${regex} on the screen, which shows ${JSON.stringify(this.#shown.slice(this.#seen).slice(-2000))}`,
    );
  }

  /** Types text as it is: a line needs its `\r`. */
  async type(text: string | Uint8Array): Promise<void> {
    await within(
      this.#pty.write(typeof text === "string" ? Buffer.from(text) : text),
      10_000,
      "the terminal to take input",
    );
  }

  resize(cols: number, rows: number): void {
    this.#pty.resize(cols, rows);
  }

  /** How the program ended, once all its output is here. */
  async exit(ms = 10_000): Promise<PtyExit> {
    await within(
      this.#drained,
      ms,
      `the program to end; it shows ${JSON.stringify(this.#shown.slice(-500))}`,
    );
    return this.#pty.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pty.close(500);
  }

  async #pump(): Promise<void> {
    const decoder = new TextDecoder();
    for (;;) {
      const chunk = await this.#pty.read().catch(() => null);
      if (chunk === null) return;
      this.#shown += decoder.decode(chunk, { stream: true });
    }
  }
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
