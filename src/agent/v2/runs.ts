/** The commands of this agent over rexec.v2, by the UUID that their openers gave them. */
import { messageOf, RexecError } from "../../lib/errors.ts";
import type { OpenerMessage } from "../../protocol/v2/control.ts";
import { Run } from "./run.ts";

/** Commands that run, or have ended and whose end may not be known yet. */
const MAX_RUNS = 64;

export interface RunsOptions {
  shell: string;
  env: Readonly<Record<string, string>>;
  /** The folder to start in. */
  folder(): string;
  /** How long a command waits for somebody to come back, ms. */
  holdMs: number;
}

export class Runs {
  readonly #options: RunsOptions;
  readonly #runs = new Map<string, Run>();
  readonly #alone = new Map<Run, Timer>();

  constructor(options: RunsOptions) {
    this.#options = options;
  }

  list(): Run[] {
    return [...this.#runs.values()];
  }

  get(id: string): Run | undefined {
    return this.#runs.get(id);
  }

  /**
   * The command that is asked for, started where that has not been.
   * @throws RexecError `gone`, `too_many_sessions`, `failed`
   */
  open(message: Extract<OpenerMessage, { type: "run" }>): { run: Run; created: boolean } {
    const known = this.#runs.get(message.run);
    if (known) {
      this.#attended(known);
      return { run: known, created: false };
    }
    if (message.resume) throw new RexecError("this command is not known here any more", { code: "gone" });
    if (this.#runs.size >= MAX_RUNS)
      throw new RexecError(`${MAX_RUNS} commands run here already`, { code: "too_many_sessions" });
    const { shell, env, folder } = this.#options;
    const cwd = message.cwd ?? folder();
    try {
      const run = new Run({
        id: message.run,
        shell,
        command: message.command,
        env: { ...env, ...message.env },
        cwd,
        timeoutMs: message.timeout_ms,
      });
      this.#runs.set(run.id, run);
      return { run, created: true };
    } catch (error) {
      throw new RexecError(`cannot run ${shell} in ${cwd}: ${messageOf(error)}`, { code: "failed" });
    }
  }

  /** Nobody is attached: it waits, then it is hung up and forgotten. */
  leave(run: Run): void {
    this.#attended(run);
    const timer = setTimeout(() => this.drop(run), this.#options.holdMs);
    timer.unref();
    this.#alone.set(run, timer);
  }

  /** Nobody will come back: it is hung up and forgotten at once. */
  drop(run: Run): void {
    this.#attended(run);
    this.#runs.delete(run.id);
    void run.end("SIGHUP");
  }

  /** Ends all. */
  async close(): Promise<void> {
    await Promise.all(this.list().map((run) => run.end("SIGTERM")));
  }

  killNow(): void {
    for (const run of this.list()) run.kill();
  }

  // --- internal ---

  #attended(run: Run): void {
    clearTimeout(this.#alone.get(run));
    this.#alone.delete(run);
  }
}
