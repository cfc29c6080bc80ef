/** One command on a remote machine over rexec.v1: sent whole, waited for, its bytes taken apart. */
import { type Clock, systemClock } from "../../lib/clock.ts";
import { OWN_FAILURE, RexecError } from "../../lib/errors.ts";
import { decodeBytes } from "../../protocol/bytes.ts";
import { EXEC_STDIN_BYTES } from "../../protocol/limits.ts";
import type { ExecRequestWire, ExecResult } from "../../protocol/v1.ts";
import { encodeViewer, parseToViewerMessage, type ToViewerMessage } from "../../protocol/v1-viewer.ts";
import { exitCodeFromText, exitCodeOf, TIMED_OUT_EXIT } from "../run/exit-code.ts";
import type { Connection } from "../socket.ts";

export interface ExecOptions {
  /** For the remote shell, quoted already. */
  command: string;
  timeoutMs?: number | undefined;
  lingerMs?: number | undefined;
  cwd?: string | undefined;
  env?: Record<string, string> | undefined;
  stdin?: Uint8Array | undefined;
  /** Go on where the agent ignores all of these but the command. */
  allowBasic?: boolean | undefined;
}

export interface ExecOutcome {
  stdout: Uint8Array;
  stderr: Uint8Array;
  /** What `rexec exec` exits with. */
  exitCode: number;
  /** Null where the command ended by itself or was ended; else why it never ran. */
  neverRan: string | null;
  /** The agent told stdout and stderr apart; otherwise both are in `stdout`. */
  apart: boolean;
  /** The agent does not know our additions: it ignored the timeout, folder, environment and stdin. */
  basic: boolean;
  result: ExecResult;
}

/** The agent enforces the timeout; it gets this much longer to say so before we stop waiting. */
const TIMEOUT_GRACE_MS = 5_000;

/**
 * Runs the command on a socket of its own, which it closes.
 * @throws RexecError `exec_lost` where the connection ended before the result came; `exec_timeout`;
 * `stdin_too_large`; the signal's reason
 */
export async function remoteExec(
  connection: Connection,
  options: ExecOptions,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<ExecOutcome> {
  const ended = new AbortController();
  const { promise: answered, resolve, reject } = Promise.withResolvers<ExecResult>();
  answered.catch(() => {}); // awaited below, or overtaken
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    const request = requestOf(options);
    void connection.closed.then(({ reason }) => reject(lost(reason)));
    if (options.timeoutMs !== undefined) void giveUp(options.timeoutMs, ended.signal, clock, reject);
    if (hasExtras(request) && !options.allowBasic) {
      const probe = { command: PROBE, id: crypto.randomUUID(), omit_output: true };
      if (!tellsApart(await Promise.race([ask(connection, probe, reject), answered]))) throw wouldIgnore();
    }
    void ask(connection, request, reject).then(resolve);
    return outcomeOf(await answered, request);
  } finally {
    signal.removeEventListener("abort", abort);
    ended.abort();
    connection.close();
  }
}

/** For whoever reads stdin: to be thrown before more than can be sent has been read. */
export function stdinTooLarge(): RexecError {
  const mib = EXEC_STDIN_BYTES / 1024 / 1024;
  return new RexecError(`stdin is larger than the ${mib} MiB that a command can be sent`, {
    code: "stdin_too_large",
    hint: "send it in parts, or let the remote command fetch it",
  });
}

// --- internal ---

function requestOf(options: ExecOptions): ExecRequestWire & { id: string } {
  const { stdin } = options;
  if (stdin && stdin.length > EXEC_STDIN_BYTES) throw stdinTooLarge();
  return {
    command: options.command,
    id: crypto.randomUUID(),
    omit_output: true,
    ...(options.timeoutMs === undefined ? {} : { timeout_ms: options.timeoutMs }),
    ...(options.lingerMs === undefined ? {} : { linger_ms: Math.ceil(options.lingerMs) }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env && Object.keys(options.env).length > 0 ? { env: options.env } : {}),
    ...(stdin?.length ? { stdin: stdin.toBase64() } : {}),
  };
}

type Request = ExecRequestWire & { id: string };

/** Does nothing, on any machine: only how its result looks matters. */
const PROBE = "true";

/** What an agent of another make ignores without a word. */
function hasExtras({ timeout_ms, linger_ms, cwd, env, stdin }: ExecRequestWire): boolean {
  return (timeout_ms ?? linger_ms ?? cwd ?? env ?? stdin) !== undefined;
}

/** Only an agent that knows our additions does. */
function tellsApart({ stdout, stderr }: ExecResult): boolean {
  return stdout !== undefined || stderr !== undefined;
}

function wouldIgnore(): RexecError {
  return new RexecError(
    "this agent is another make, and would have ignored --timeout, --cwd, --env and stdin, and --linger: the command was not run",
    {
      code: "exec_basic",
      hint: "leave them out (-n for stdin), or go on without them: --allow-basic",
    },
  );
}

/** Sends it; settles with its result. One at a time. */
function ask(
  connection: Connection,
  request: Request,
  reject: (error: RexecError) => void,
): Promise<ExecResult> {
  const { promise, resolve } = Promise.withResolvers<ExecResult>();
  connection.listen({
    onBytes() {},
    onText(text) {
      const parsed = parseToViewerMessage(text);
      // A newer server may say more than we know.
      if (parsed.ok) take(parsed.value, request, resolve, reject);
    },
  });
  connection.send(encodeViewer.exec(request));
  return promise;
}

function take(
  message: ToViewerMessage,
  request: Request,
  resolve: (result: ExecResult) => void,
  reject: (error: RexecError) => void,
): void {
  if (message.type === "agent_status" && message.data.status === "offline") {
    reject(lost("the agent went offline"));
  }
  if (message.type !== "exec_result") return;
  const { id, command } = message.data;
  // An agent that knows no ids is recognised by the command; its results go to every viewer.
  if (id === undefined ? command === request.command : id === request.id) resolve(message.data);
}

function outcomeOf(result: ExecResult, request: ExecRequestWire): ExecOutcome {
  const stdout = result.stdout === undefined ? null : decodeBytes(result.stdout);
  const stderr = result.stderr === undefined ? null : decodeBytes(result.stderr);
  const apart = tellsApart(result);
  return {
    stdout: apart ? (stdout ?? new Uint8Array(0)) : Buffer.from(result.output),
    stderr: stderr ?? new Uint8Array(0),
    exitCode: endOf(result) ?? (result.success ? 0 : OWN_FAILURE),
    neverRan: endOf(result) === null && !result.success ? (result.error ?? "no reason given") : null,
    apart,
    basic: !apart && hasExtras(request),
    result,
  };
}

/** The exit code that it ended with, or null where nothing tells one. */
function endOf(result: ExecResult): number | null {
  if (result.timed_out) return TIMED_OUT_EXIT;
  return exitCodeOf(result) ?? exitCodeFromText(result.error ?? "");
}

async function giveUp(
  timeoutMs: number,
  ended: AbortSignal,
  clock: Clock,
  reject: (error: RexecError) => void,
): Promise<void> {
  await clock.sleep(timeoutMs + TIMEOUT_GRACE_MS, ended);
  if (ended.aborted) return;
  reject(
    new RexecError("the time is up and the agent has not answered", {
      code: "exec_timeout",
      hint: "the command may go on running there",
      exitCode: TIMED_OUT_EXIT,
    }),
  );
}

function lost(reason: string): RexecError {
  const why = reason ? `: ${reason}` : "";
  return new RexecError(`the connection was lost before the result came${why}`, {
    code: "exec_lost",
    hint: "the command may have run, or be running still: look before you run it again",
  });
}
