/** A command over rexec.v2: it outlives connections, and is never ahead of who reads it. */
import { constants } from "node:os";
import type { SessionInfo } from "../../protocol/v2/control.ts";
import { trackChild, untrackChild } from "../../pty/children.ts";
import { endGroup, signalGroup } from "../exec.ts";
import { closeAll, openPipe } from "./pipes.ts";
import { RunInput } from "./run-input.ts";
import { RunOutput } from "./run-output.ts";

export interface RunOptions {
  id: string;
  shell: string;
  command: string;
  env: Readonly<Record<string, string>>;
  cwd: string;
  timeoutMs: number | undefined;
}

export interface RunExit {
  exit_code: number | null;
  signal: string | null;
  timed_out: boolean;
}

/** The longest delay that a timer takes (about 24 days). */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class Run {
  readonly id: string;
  readonly input: RunInput;
  readonly outputs: readonly [RunOutput, RunOutput];
  readonly exited: Promise<void>;
  /** Told of new output, of its end, and of the exit. */
  onChange: () => void = () => {};
  exit: RunExit | null = null;
  readonly #options: RunOptions;
  readonly #child: Bun.Subprocess;
  readonly #startedAt = Date.now();
  #endedAt: number | null = null;
  #timedOut = false;

  /** Starts it. @throws the system's error where it can't be */
  constructor(options: RunOptions) {
    this.#options = options;
    this.id = options.id;
    const pipes = [openPipe("write"), openPipe("read"), openPipe("read")] as const;
    const [stdin, stdout, stderr] = pipes;
    try {
      this.#child = Bun.spawn([options.shell, "-c", options.command], {
        cwd: options.cwd,
        env: options.env,
        stdio: [stdin.theirs, stdout.theirs, stderr.theirs],
        detached: true, // setsid: its own session and group, so that all of it can be ended
      });
    } catch (error) {
      closeAll(...pipes.flatMap(({ ours, theirs }) => [ours, theirs]));
      throw error;
    }
    closeAll(stdin.theirs, stdout.theirs, stderr.theirs);
    trackChild(this.#child.pid);
    const changed = () => this.onChange();
    this.input = new RunInput(stdin.ours);
    const { exited } = this.#child;
    this.outputs = [new RunOutput(stdout.ours, exited, changed), new RunOutput(stderr.ours, exited, changed)];
    this.exited = this.#wait();
  }

  get info(): SessionInfo {
    const [stdout, stderr] = this.outputs;
    return {
      session: this.id,
      instance: this.id,
      kind: "run",
      command: this.#options.command.slice(0, 1_024),
      started_at: this.#startedAt,
      last_output_at: null,
      ended_at: this.#endedAt,
      exit_code: this.exit?.exit_code ?? null,
      signal: this.exit?.signal ?? null,
      bytes: stdout.ring.end + stderr.ring.end,
      cols: 0,
      rows: 0,
      viewers: 0,
    };
  }

  /** To its whole process group; a name that is none is ignored. */
  signal(name: string): void {
    if (this.exit || !isSignal(name)) return;
    signalGroup(this.#child.pid, name);
  }

  /** Ends the whole group, by force after a while. */
  async end(first: NodeJS.Signals): Promise<void> {
    if (!this.exit) await endGroup(this.#child, first);
  }

  /** Ends it before this returns. */
  kill(): void {
    if (!this.exit) signalGroup(this.#child.pid, "SIGKILL");
  }

  // --- internal ---

  async #wait(): Promise<void> {
    const { timeoutMs } = this.#options;
    const onTimeout = () => {
      this.#timedOut = true;
      void this.end("SIGTERM");
    };
    const timer = timeoutMs === undefined ? null : setTimeout(onTimeout, Math.min(timeoutMs, MAX_TIMER_MS));
    await this.#child.exited;
    if (timer) clearTimeout(timer);
    untrackChild(this.#child.pid);
    this.input.close();
    const { signalCode, exitCode } = this.#child;
    this.#endedAt = Date.now();
    this.exit = {
      exit_code: signalCode === null ? exitCode : null,
      signal: signalCode === null ? null : String(signalCode),
      timed_out: this.#timedOut,
    };
    this.onChange();
  }
}

// --- internal ---

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name);
}
