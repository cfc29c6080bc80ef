/** One command over rexec.v1: sent whole, waited for, its bytes taken apart. */
import { OWN_FAILURE, RexecError } from "../../lib/errors.ts";
import type { LinkSocket } from "../../link/socket.ts";
import { decodeBytes } from "../../protocol/bytes.ts";
import { EXEC_STDIN_BYTES } from "../../protocol/limits.ts";
import type { ExecRequestWire, ExecResult } from "../../protocol/v1.ts";
import { encodeViewer, parseToViewerMessage, type ToViewerMessage } from "../../protocol/v1-viewer.ts";
import { exitCodeFromText, exitCodeOf, TIMED_OUT_EXIT } from "../run/exit-code.ts";
import { type RemoteCommand, type RunEnd, type RunOptions, TIMEOUT_GRACE_MS } from "../run/run-state.ts";
import { readAll } from "../stdin.ts";

/** A command of rexec.v1, on one connection: a lost one is not made again, since the command would run twice. */
export class ExecV1 implements RemoteCommand {
  readonly control = null;
  readonly #options: RunOptions;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  /** @throws RexecError `exec_lost`, `exec_timeout`, `exec_basic`, `stdin_too_large` */
  async run(connection: LinkSocket): Promise<RunEnd> {
    const { allowBasic, timeoutMs, stdout, stderr } = this.#options;
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {}); // raced below
    let timer: ReturnType<typeof setTimeout> | undefined;
    let request: Request;
    let result: ExecResult;
    try {
      request = await requestOf(this.#options);
      void connection.closed.then(({ reason }) => failed.reject(lost(reason)));
      if (timeoutMs !== undefined)
        timer = setTimeout(() => failed.reject(timeUp()), timeoutMs + TIMEOUT_GRACE_MS);
      const answer = (asked: Request) =>
        Promise.race([ask(connection, asked, failed.reject), failed.promise]);
      if (hasExtras(request) && !allowBasic) {
        const probe = { command: PROBE, id: crypto.randomUUID(), omit_output: true };
        if (!tellsApart(await answer(probe))) throw wouldIgnore();
      }
      result = await answer(request);
    } finally {
      clearTimeout(timer);
      connection.close();
    }
    if (tellsApart(result)) {
      await Promise.all([stdout(bytesOf(result.stdout)), stderr(bytesOf(result.stderr))]);
    }
    return endOf(result, request);
  }
}

// --- internal ---

/** @throws RexecError `stdin_too_large`, before more than can be sent has been read */
async function requestOf({ command, timeoutMs, lingerMs, cwd, env, stdin }: RunOptions): Promise<Request> {
  const input = stdin ? await readAll(stdin, EXEC_STDIN_BYTES, stdinTooLarge) : null;
  return {
    command,
    id: crypto.randomUUID(),
    omit_output: true,
    ...(timeoutMs === undefined ? {} : { timeout_ms: timeoutMs }),
    ...(lingerMs === undefined ? {} : { linger_ms: Math.ceil(lingerMs) }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(env && Object.keys(env).length > 0 ? { env } : {}),
    ...(input?.length ? { stdin: input.toBase64() } : {}),
  };
}

function stdinTooLarge(): RexecError {
  const mib = EXEC_STDIN_BYTES / 1024 / 1024;
  return new RexecError(`stdin is larger than the ${mib} MiB that a command can be sent`, {
    code: "stdin_too_large",
    hint: "send it in parts, or let the remote command fetch it",
  });
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
  connection: LinkSocket,
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

function bytesOf(stream: string | undefined): Uint8Array {
  return (stream === undefined ? null : decodeBytes(stream)) ?? new Uint8Array(0);
}

function endOf(result: ExecResult, request: Request): RunEnd {
  const apart = tellsApart(result);
  const code = exitCodeOf(result) ?? exitCodeFromText(result.error ?? "");
  return {
    command: result.command,
    success: result.success,
    exitCode: code ?? (result.success ? 0 : OWN_FAILURE),
    signal: result.signal ?? null,
    timedOut: result.timed_out === true,
    leftOpen: result.left_open === true,
    truncated: result.truncated === true,
    durationMs: result.duration_ms,
    neverRan: code === null && !result.success ? (result.error ?? "no reason given") : null,
    error: result.error,
    merged: apart ? null : result.output,
    basic: !apart && hasExtras(request),
  };
}

function timeUp(): RexecError {
  return new RexecError("the time is up and the agent has not answered", {
    code: "exec_timeout",
    hint: "the command may go on running there",
    exitCode: TIMED_OUT_EXIT,
  });
}

function lost(reason: string): RexecError {
  const why = reason ? `: ${reason}` : "";
  return new RexecError(`the connection was lost before the result came${why}`, {
    code: "exec_lost",
    hint: "the command may have run, or be running still: look before you run it again",
  });
}
