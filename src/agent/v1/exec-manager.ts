/** The commands that run on this machine, and their results until the server has them. */
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { signalNumber } from "../../lib/signals.ts";
import type { FrameSource, Sender } from "../../link/sender.ts";
import { EXEC_STREAM_BYTES } from "../../protocol/limits.ts";
import { type ExecRequest, type ExecResult, encodeAgent } from "../../protocol/v1.ts";
import { endGroup, whyNotStarted } from "../commands/group.ts";
import { Run, type RunEnd } from "../commands/run.ts";
import { ByteBudget } from "../sessions/byte-budget.ts";
import { Capture } from "./capture.ts";
import { collect } from "./collect.ts";
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

/** What commands by v1 are started with. */
export interface ExecManagerOptions {
  sender: Sender;
  logger: Logger;
  shell: string;
  /** Where a command runs that names no folder. */
  folder(): string;
  env: Readonly<Record<string, string>>;
}

/** Commands by v1 until their results are sent. Owned by the agent. */
export class ExecManager {
  readonly #options: ExecManagerOptions;
  readonly #budget = new ByteBudget(COMMAND_BUDGET);
  readonly #running = new Set<Promise<void>>();
  /** Commands whose process runs. */
  readonly #runs = new Set<Run>();
  #closed = false;
  #pending = 0;

  constructor(options: ExecManagerOptions) {
    this.#options = options;
  }

  /** Commands that run, and results that wait to be sent. */
  get count(): number {
    return this.#pending;
  }

  /** Runs it and sends the result, after a reconnect if need be. */
  start(request: ExecRequest): void {
    if (this.#closed) {
      this.#refuse(request, "the agent is stopping");
      return;
    }
    if (this.#pending >= MAX_COMMANDS) {
      this.#refuse(request, `${MAX_COMMANDS} commands run here already, which is the limit: try again later`);
      return;
    }
    this.#pending += 1;
    const run = this.#run(request).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Settles when none of those runs that run now. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Ends every command with its whole process group. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { pid } of this.#runs) void endGroup(pid);
    await Promise.all(this.#running);
  }

  /** Ends them with SIGKILL, before it returns. */
  killNow(): void {
    for (const run of this.#runs) run.killNow();
  }

  // --- internal ---

  async #run(request: ExecRequest): Promise<void> {
    const { shell, env, folder, logger } = this.#options;
    const started = performance.now();
    const capture = new Capture(this.#budget);
    const cwd = request.cwd ?? folder();
    let result: () => ExecResult;
    try {
      const run = this.#start(request, shell, cwd, env);
      const end = await collect(run, request.stdin ?? NO_BYTES, capture);
      const durationMs = Math.round(performance.now() - started);
      result = () => resultOf(request, { ...end, durationMs }, capture);
    } catch (error) {
      const why = whyNotStarted(error, shell, cwd);
      gather(logger, EXEC_LINES, `exec: ${why}`);
      result = () => failure(request, why);
    }
    const onSent = () => {
      this.#pending -= 1;
    };
    this.#options.sender.ready(new ResultSource(result, capture, onSent));
  }

  /** @throws the system's error where it can't be started */
  #start({ id, command, stdin, ...rest }: ExecRequest, shell: string, cwd: string, env: Environment): Run {
    const run = new Run({
      from: {
        request: {
          run: id ?? "",
          command,
          env: rest.env,
          timeout_ms: rest.timeout_ms ?? (id === undefined ? DEFAULT_TIMEOUT_MS : undefined),
          linger_ms: rest.linger_ms,
        },
        ...{ shell, cwd, env },
        hasStdin: stdin !== undefined && stdin.length > 0,
        endsWithLeader: true,
      },
      viewerGraceMs: 0,
      onGone: () => {},
    });
    this.#runs.add(run);
    void run.exited.then(() => this.#runs.delete(run));
    return run;
  }

  #refuse(request: ExecRequest, why: string): void {
    gather(this.#options.logger, EXEC_LINES, `exec: ${why}`);
    this.#options.sender.control(encodeAgent.execResult(failure(request, why)));
  }
}

type Environment = Readonly<Record<string, string>>;

/** How a command ended, and after how long. */
type ExecOutcome = RunEnd & { durationMs: number };

const NO_BYTES = new Uint8Array(0);

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
  const { exit_code: exitCode, signal, timed_out: timedOut, left_open: leftOpen, durationMs } = outcome;
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
function errorText({ exit_code, signal, timed_out, durationMs }: ExecOutcome): string | null {
  if (timed_out) return `timed out after ${durationMs} ms`;
  if (signal) return `signal: ${SIGNAL_TEXT[signal] ?? `signal ${signalNumber(signal)}`}`;
  return exit_code === 0 ? null : `exit status ${exit_code}`;
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
