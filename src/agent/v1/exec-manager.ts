/** The commands that run on this machine, and their results until the server has them. */
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { signalNumber } from "../../lib/signals.ts";
import type { FrameSource, Sender } from "../../link/sender.ts";
import { EXEC_STREAM_BYTES, LINGER_MS } from "../../protocol/limits.ts";
import { type ExecRequest, type ExecResult, encodeAgent } from "../../protocol/v1.ts";
import { ByteBudget } from "../sessions/byte-budget.ts";
import { Capture } from "./capture.ts";
import { type ExecOutcome, runCommand, signalGroup, whyNotStarted } from "./exec.ts";
import { encodeResult } from "./result-size.ts";

/** Commands at a time, results that were not sent yet included. One more is refused. */
export const MAX_COMMANDS = 16;
/** What all of them may hold together, bytes: beyond it streams are cut and marked `truncated`. */
const COMMAND_BUDGET = 6 * EXEC_STREAM_BYTES;
/**
 * A request without an id comes from a server that has no way to end a command: a forgotten `tail -f` would hold its
 * place for ever. An hour, ms. With an id there is no limit but `timeout_ms`.
 */
const DEFAULT_TIMEOUT_MS = 60 * 60 * 1000;

export interface ExecManagerOptions {
  sender: Sender;
  logger: Logger;
  shell: string;
  /** Where a command runs that names no folder. */
  folder(): string;
  env: Readonly<Record<string, string>>;
}

export class ExecManager {
  readonly #options: ExecManagerOptions;
  readonly #budget = new ByteBudget(COMMAND_BUDGET);
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** Process groups that run, by their leader's pid. */
  readonly #groups = new Set<number>();
  #held = 0;

  constructor(options: ExecManagerOptions) {
    this.#options = options;
  }

  /** Commands that run, and results that wait to be sent. */
  get count(): number {
    return this.#held;
  }

  /** Runs it and sends the result, after a reconnect if need be. */
  start(request: ExecRequest): void {
    if (this.#stop.signal.aborted) {
      this.#refuse(request, "the agent is stopping");
      return;
    }
    if (this.#held >= MAX_COMMANDS) {
      this.#refuse(request, `${MAX_COMMANDS} commands run here already, which is the limit: try again later`);
      return;
    }
    this.#held += 1;
    const run = this.#run(request).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Settles when none of those runs that run now. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Ends every command with its whole process group. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  /** Ends them with SIGKILL, before it returns. */
  killNow(): void {
    for (const pid of this.#groups) signalGroup(pid, "SIGKILL");
  }

  // --- internal ---

  async #run(request: ExecRequest): Promise<void> {
    const { shell, env, folder, logger } = this.#options;
    const capture = new Capture(this.#budget);
    let result: () => ExecResult;
    try {
      const outcome = await runCommand({
        shell,
        command: request.command,
        env: { ...env, ...request.env },
        cwd: request.cwd ?? folder(),
        stdin: request.stdin,
        timeoutMs: request.timeout_ms ?? (request.id === undefined ? DEFAULT_TIMEOUT_MS : undefined),
        lingerMs: request.linger_ms ?? LINGER_MS,
        capture,
        signal: this.#stop.signal,
        groups: this.#groups,
      });
      result = () => resultOf(request, outcome, capture);
    } catch (error) {
      const why = whyNotStarted(error, shell, request.cwd ?? folder());
      gather(logger, EXEC_LINES, `exec: ${why}`);
      result = () => failure(request, why);
    }
    const onSent = () => {
      this.#held -= 1;
    };
    this.#options.sender.ready(new ResultSource(result, capture, onSent));
  }

  #refuse(request: ExecRequest, why: string): void {
    gather(this.#options.logger, EXEC_LINES, `exec: ${why}`);
    this.#options.sender.control(encodeAgent.execResult(failure(request, why)));
  }
}

const EXEC_LINES = { level: "warn", kind: "failed commands", who: "server", atOnce: 5 } as const;

/** A result on its way: it waits for a connection as it is, and becomes text only when it is sent. */
class ResultSource implements FrameSource {
  #result: (() => ExecResult) | null;
  readonly #capture: Capture;
  readonly #onSent: () => void;

  constructor(result: () => ExecResult, capture: Capture, onSent: () => void) {
    this.#result = result;
    this.#capture = capture;
    this.#onSent = onSent;
  }

  get pending(): number {
    return this.#result === null ? 0 : this.#capture.size + 1;
  }

  takeFrame(): string | null {
    if (this.#result === null) return null;
    const frame = encodeResult(this.#result());
    this.#result = null;
    this.#capture.clear();
    this.#onSent();
    return frame;
  }
}

function resultOf(request: ExecRequest, outcome: ExecOutcome, capture: Capture): ExecResult {
  const { exitCode, signal, timedOut, leftOpen, durationMs } = outcome;
  const output = request.omit_output ? "" : capture.text();
  const streams =
    request.id === undefined
      ? {}
      : { stdout: capture.bytes("stdout").toBase64(), stderr: capture.bytes("stderr").toBase64() };
  const error = errorText(outcome);
  return {
    command: request.command,
    output,
    success: exitCode === 0 && !timedOut,
    ...(error ? { error } : {}),
    ...(request.id === undefined ? {} : { id: request.id }),
    exit_code: exitCode,
    signal,
    ...streams,
    ...(capture.truncated ? { truncated: true } : {}),
    ...(timedOut ? { timed_out: true } : {}),
    ...(leftOpen ? { left_open: true } : {}),
    duration_ms: durationMs,
  };
}

function failure(request: ExecRequest, error: string): ExecResult {
  return {
    command: request.command,
    output: "",
    success: false,
    error,
    ...(request.id === undefined ? {} : { id: request.id, stdout: "", stderr: "" }),
    exit_code: null,
    signal: null,
  };
}

/** In the words of Go's os/exec, which the stock servers show. */
function errorText({ exitCode, signal, timedOut, durationMs }: ExecOutcome): string | null {
  if (timedOut) return `timed out after ${durationMs} ms`;
  if (signal) return `signal: ${SIGNAL_TEXT[signal] ?? `signal ${signalNumber(signal)}`}`;
  return exitCode === 0 ? null : `exit status ${exitCode}`;
}

const SIGNAL_TEXT: Record<string, string | undefined> = {
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGQUIT: "quit",
  SIGILL: "illegal instruction",
  SIGTRAP: "trace/breakpoint trap",
  SIGABRT: "aborted",
  SIGBUS: "bus error",
  SIGFPE: "floating point exception",
  SIGKILL: "killed",
  SIGUSR1: "user defined signal 1",
  SIGSEGV: "segmentation fault",
  SIGUSR2: "user defined signal 2",
  SIGPIPE: "broken pipe",
  SIGALRM: "alarm clock",
  SIGTERM: "terminated",
};
