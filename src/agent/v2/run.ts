/** One command by rexec.v2: pipes with credit, a process group of its own, an end that waits to be read. */
import type { OpenerMessage, SessionInfo } from "../../protocol/v2/control.ts";
import { trackChild, untrackChild } from "../../pty/children.ts";
import { childPipes } from "../child-pipes.ts";
import { endGroup, signalGroup, signalOf, spawnGroup, timeoutOf } from "../exec.ts";
import { RunInput } from "./run-input.ts";
import { RunStream } from "./run-stream.ts";

export interface RunOptions {
  request: Extract<OpenerMessage, { type: "run" }>;
  shell: string;
  cwd: string;
  env: Readonly<Record<string, string>>;
  holdMs: number;
  /** It has ended and nobody comes for it any more. */
  onGone(run: Run): void;
}

export interface RunEnd {
  exit_code: number | null;
  signal: string | null;
  timed_out: boolean;
}

/** What a viewer may send a process group. */
const SIGNALS = new Set([
  "HUP",
  "INT",
  "QUIT",
  "TERM",
  "KILL",
  "USR1",
  "USR2",
  "ALRM",
  "PIPE",
  "CONT",
  "STOP",
  "TSTP",
  "WINCH",
]);

export class Run {
  readonly id: string;
  readonly pid: number;
  readonly stdout: RunStream;
  readonly stderr: RunStream;
  readonly stdin: RunInput;
  /** Settles when it has ended and its pipes were read. Never rejects. */
  readonly over: Promise<void>;
  readonly #options: RunOptions;
  readonly #instance = crypto.randomUUID();
  readonly #startedAt = Date.now();
  readonly #timeout: Timer | null;
  #timedOut = false;
  #end: RunEnd | null = null;
  #endedAt: number | null = null;
  #hold: Timer | null = null;
  #abandoned = false;

  /** @throws the system's error where it can't be started */
  constructor(options: RunOptions) {
    const { request, shell, cwd, env } = options;
    this.#options = options;
    this.id = request.run;
    const { stdin, stdout, stderr, ...ends } = childPipes(true);
    const child = spawnGroup({ shell, cwd, command: request.command, env: { ...env, ...request.env } }, ends);
    trackChild(child.pid);
    this.pid = child.pid;
    this.stdin = new RunInput(stdin);
    this.stdout = new RunStream(stdout, child.exited);
    this.stderr = new RunStream(stderr, child.exited);
    this.#timeout = timeoutOf(request.timeout_ms, () => {
      this.#timedOut = true;
      void endGroup(this.pid);
    });
    this.over = this.#watch(child);
  }

  /** How it ended; null before its pipes were read to their ends. */
  get end(): RunEnd | null {
    return this.#end;
  }

  get info(): SessionInfo {
    return {
      session: this.id,
      instance: this.#instance,
      kind: "run",
      command: this.#options.request.command.slice(0, 200),
      started_at: this.#startedAt,
      last_output_at: Math.max(this.stdout.lastAt, this.stderr.lastAt) || null,
      ended_at: this.#endedAt,
      exit_code: this.#end?.exit_code ?? null,
      signal: this.#end?.signal ?? null,
      bytes: this.stdout.ring.end + this.stderr.ring.end,
      cols: 0,
      rows: 0,
      viewers: 0,
    };
  }

  signal(name: string): void {
    const bare = name.toUpperCase().replace(/^SIG/, "");
    if (this.#end || !SIGNALS.has(bare)) return;
    try {
      process.kill(-this.pid, `SIG${bare}`);
    } catch {
      // its group is gone
    }
  }

  /** Somebody is there (again). */
  attached(): void {
    if (this.#hold) clearTimeout(this.#hold);
    this.#hold = null;
  }

  /** Nobody is. @param announced and nobody will be; otherwise it is held for a while */
  left(announced: boolean): void {
    this.attached();
    if (announced) {
      this.abandon();
      return;
    }
    this.#hold = setTimeout(() => this.abandon(), this.#options.holdMs);
    this.#hold.unref();
  }

  /** Nobody wants it any more: hung up, and forgotten once it has gone. */
  abandon(): void {
    if (this.#abandoned) return;
    this.#abandoned = true;
    if (!this.#end) this.hangUp();
    this.stdout.discard();
    this.stderr.discard();
    void this.over.then(() => this.#options.onGone(this));
  }

  hangUp(): void {
    void endGroup(this.pid, "SIGHUP");
  }

  /** Ends it, before it returns. */
  killNow(): void {
    signalGroup(this.pid, "SIGKILL");
  }

  // --- internal ---

  async #watch(child: Bun.Subprocess): Promise<void> {
    await child.exited;
    untrackChild(child.pid);
    this.stdin.close();
    await Promise.all([this.stdout.done, this.stderr.done]);
    if (this.#timeout) clearTimeout(this.#timeout);
    this.#endedAt = Date.now();
    this.#end = {
      exit_code: child.signalCode ? null : child.exitCode,
      signal: signalOf(child),
      timed_out: this.#timedOut,
    };
    this.stdout.onAdvance?.();
  }
}
