/** One command by rexec.v2: pipes with credit, a process group of its own, an end that waits to be read. */
import { LINGER_MS } from "../../protocol/limits.ts";
import { type OpenerMessage, type SessionInfo, SHOWN_CHARS } from "../../protocol/v2/control.ts";
import type { KeptRun, SavedRun } from "../restart/schema.ts";
import { endGroup, signalGroup, timeoutOf } from "./group.ts";
import { isSettled, type RunChild, startChild, takeChild } from "./run-child.ts";
import { RunInput } from "./run-input.ts";
import { RunStream } from "./run-stream.ts";

/** What a `Run` is made with. */
export interface RunOptions {
  /** What is to be started, or was by an earlier program image. */
  from: RunStart | { saved: SavedRun };
  viewerGraceMs: number;
  /** It has ended, and no opener comes for it any more. */
  onGone(run: Run): void;
}

/** A command to be started. */
export interface RunStart {
  request: Pick<
    Extract<OpenerMessage, { type: "run" }>,
    "run" | "command" | "shown" | "env" | "timeout_ms" | "linger_ms"
  >;
  /** False gives it /dev/null. True by default. */
  hasStdin?: boolean;
  /**
   * Its time is over with the process itself, and what that leaves may print for `linger_ms` from then on. By default the
   * time goes on until the pipes are read to their ends, and these may be silent for `linger_ms`.
   */
  endsWithLeader?: boolean;
  shell: string;
  cwd: string;
  env: Readonly<Record<string, string>>;
}

/** How a command ended, as `ended` says it. */
export interface RunEnd {
  exit_code: number | null;
  signal: string | null;
  timed_out: boolean;
  left_open: boolean;
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

/** Owned by the manager until its grace period is over; each opener's connection has a channel to it. */
export class Run {
  readonly id: string;
  readonly pid: number;
  readonly stdout: RunStream;
  readonly stderr: RunStream;
  readonly stdin: RunInput;
  /** Settles when the process itself has ended. Never rejects. @transient settles again */
  readonly exited: Promise<unknown>;
  /** Settles when it has ended and its pipes were read. Never rejects. @transient settles again */
  readonly over: Promise<RunEnd>;
  readonly #options: RunOptions;
  readonly #child: RunChild;
  /** All of its own state, which survives a restart in place as it is. */
  readonly #kept: KeptRun;
  /** @transient set anew by `#timeoutAt` */
  readonly #timeout: Timer | null;
  /** Unix ms. */
  readonly #timeoutAt: number | null;
  /** @transient known again once the pipes were read to their ends */
  #end: RunEnd | null = null;
  /** @transient `RunManager` begins the grace period anew */
  #graceTimer: Timer | null = null;

  /** @throws the system's error where it can't be started */
  constructor(options: RunOptions) {
    const { from } = options;
    const saved = "saved" in from ? from.saved : undefined;
    this.#options = options;
    this.#child = "saved" in from ? takeChild(from.saved) : start(from);
    const { timeoutMs, ...kept } = "saved" in from ? restored(from.saved) : begun(from);
    const { lingerMs = LINGER_MS } = kept;
    this.#kept = kept;
    this.id = kept.id;
    const { pid, exited, stdin, stdout, stderr } = this.#child;
    this.pid = pid;
    this.exited = exited;
    const endsWithLeader = "saved" in from ? false : (from.endsWithLeader ?? false);
    const linger = { ms: lingerMs, isForSilence: !endsWithLeader };
    this.stdin = new RunInput(stdin, saved?.stdin);
    this.stdout = new RunStream(stdout, exited, linger, saved?.stdout);
    this.stderr = new RunStream(stderr, exited, linger, saved?.stderr);
    this.#timeoutAt = timeoutMs === null ? null : Date.now() + timeoutMs;
    this.#timeout = timeoutOf(timeoutMs ?? undefined, () => {
      kept.timedOut = true;
      void endGroup(pid);
    });
    if (endsWithLeader) void exited.then(() => this.#stopTimeout());
    this.over = this.#watch();
    if (kept.abandoned) this.#abandon();
    else if (kept.timedOut && kept.exit === null) void endGroup(pid); // the earlier image was at it
  }

  /** How it ended; null before its pipes were read to their ends. */
  get end(): RunEnd | null {
    return this.#end;
  }

  get info(): SessionInfo {
    const { instance, command, startedAt, endedAt } = this.#kept;
    return {
      session: this.id,
      instance,
      kind: "run",
      command,
      started_at: startedAt,
      last_output_at: Math.max(this.stdout.lastAt, this.stderr.lastAt) || null,
      ended_at: endedAt,
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

  /** It has an opener (again). */
  attached(): void {
    if (this.#graceTimer) clearTimeout(this.#graceTimer);
    this.#graceTimer = null;
  }

  /** It has no opener. @param announced for good; otherwise it is kept for a grace period */
  left(announced: boolean): void {
    this.attached();
    if (announced) {
      this.abandon();
      return;
    }
    this.#graceTimer = setTimeout(() => this.abandon(), this.#options.viewerGraceMs);
    this.#graceTimer.unref();
  }

  /** No opener wants it any more: hung up, and forgotten once it has gone. */
  abandon(): void {
    if (this.#kept.abandoned) return;
    this.#kept.abandoned = true;
    this.#abandon();
  }

  hangUp(): void {
    void endGroup(this.pid, "SIGHUP");
  }

  /** Ends it, before it returns. */
  killNow(): void {
    signalGroup(this.pid, "SIGKILL");
  }

  /** False in the moment between its end and our knowing how. */
  get isSettled(): boolean {
    return isSettled(this.#child, this.#kept.exit);
  }

  /** From now on nothing is read of its pipes. */
  freeze(): void {
    this.stdout.freeze();
    this.stderr.freeze();
  }

  async drain(): Promise<void> {
    await this.stdout.drain();
    await this.stderr.drain();
  }

  thaw(): void {
    this.stdout.thaw();
    this.stderr.thaw();
  }

  /** For another program image of this process, after `freeze` and `drain`. */
  save(): SavedRun {
    return {
      ...this.#kept,
      ...{ pid: this.pid, start: this.#child.entry?.start ?? null },
      timeoutMs: this.#timeoutAt === null ? null : Math.max(0, this.#timeoutAt - Date.now()),
      stdout: this.stdout.save(),
      stderr: this.stderr.save(),
      stdin: this.stdin.save(),
    };
  }

  // --- internal ---

  #abandon(): void {
    if (!this.#end) this.hangUp();
    this.stdout.discard();
    this.stderr.discard();
    void this.over.then(() => this.#options.onGone(this));
  }

  #stopTimeout(): void {
    if (this.#timeout) clearTimeout(this.#timeout);
  }

  async #watch(): Promise<RunEnd> {
    const exit = await this.#child.exited;
    this.#kept.exit = exit;
    this.stdin.close();
    await Promise.all([this.stdout.done, this.stderr.done]);
    this.#stopTimeout();
    this.#kept.endedAt ??= Date.now();
    const left_open = this.stdout.isLeftOpen || this.stderr.isLeftOpen;
    this.#end = { exit_code: exit.exitCode, signal: exit.signal, timed_out: this.#kept.timedOut, left_open };
    this.stdout.onAdvance?.();
    return this.#end;
  }
}

// --- internal ---

/** @throws the system's error where it can't be started */
function start({ request, shell, cwd, env, hasStdin = true }: RunStart): RunChild {
  return startChild({ shell, cwd, command: request.command, env: { ...env, ...request.env } }, hasStdin);
}

function begun({ request }: RunStart): Required<KeptRun> & Pick<SavedRun, "timeoutMs"> {
  const command = (request.shown ?? request.command).slice(0, SHOWN_CHARS);
  return {
    ...{ id: request.run, instance: crypto.randomUUID(), command },
    ...{ startedAt: Date.now(), endedAt: null, exit: null, timedOut: false, abandoned: false },
    timeoutMs: request.timeout_ms ?? null,
    lingerMs: request.linger_ms,
  };
}

/** Its process and its pipes are taken over by `takeChild`, `RunInput` and `RunStream`. */
function restored({ pid, start, stdin, stdout, stderr, ...rest }: SavedRun) {
  return rest;
}
