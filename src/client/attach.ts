/** A remote shell in the near terminal, through lost connections, until it exits or the person leaves. */
import { Backoff, type BackoffOptions, RECONNECT } from "../lib/backoff.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { ExitCode, messageOf, RexecError } from "../lib/errors.ts";
import { CLOSE_DELETED, CLOSE_SESSION_ENDED, CLOSE_VIEWER_REPLACED } from "../protocol/close-codes.ts";
import { MAIN_SESSION, splitSessionId } from "../protocol/ids.ts";
import { encodeViewer, type ToViewerMessage } from "../protocol/v1-viewer.ts";
import { exitCodeOf } from "./exit-code.ts";
import { InputPump } from "./input-pump.ts";
import { OutputPump } from "./output-pump.ts";
import type { Terminal } from "./terminal.ts";
import { isFinal, openViewer, type ViewerClose, type ViewerSocket, type ViewerTarget } from "./viewer.ts";

/** As the agent's, but nobody likes to look at a countdown for half a minute. */
const VIEWER_RECONNECT: BackoffOptions = { ...RECONNECT, capMs: 10_000 };

/** What a person may be told on the way. */
export type AttachStatus =
  | { kind: "connected" }
  | { kind: "lost"; reason: string; retryInMs: number }
  | { kind: "reconnected" }
  | { kind: "agent"; online: boolean };

export type AttachEnd = { kind: "left" } | { kind: "exited"; exitCode: number };

export interface AttachOptions {
  target: ViewerTarget;
  terminal: Terminal;
  status(status: AttachStatus): void;
  signal: AbortSignal;
  clock?: Clock;
  backoff?: BackoffOptions;
}

/**
 * Shows the session until it ends. For a person, a connection that drops is made again, with the same viewer id and so
 * the same session.
 * @throws as `openViewer` where the first connection fails, or a later one finally; RexecError `shell_failed`,
 * `viewer_replaced`, `agent_deleted`, `connection_lost` (no person at the terminal)
 */
export async function attach(options: AttachOptions): Promise<AttachEnd> {
  const { clock = systemClock, terminal } = options;
  const left = new AbortController();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {}); // raced below
  const signal = AbortSignal.any([options.signal, left.signal]);
  const output = new OutputPump((bytes) => terminal.write(bytes), failed.reject);
  const input = new InputPump({ terminal, clock, signal, leave: () => left.abort() });
  try {
    const inner = { ...options, clock, signal, failed: failed.reject };
    return await Promise.race([keepConnected(inner, input, output), failed.promise]);
  } finally {
    left.abort();
  }
}

// --- internal ---

type Connection = AttachEnd | { kind: "lost"; reason: string };
type LoopOptions = AttachOptions & { clock: Clock; failed: (error: unknown) => void };

async function keepConnected(options: LoopOptions, input: InputPump, output: OutputPump): Promise<AttachEnd> {
  const { clock, signal } = options;
  const backoff = new Backoff(options.backoff ?? VIEWER_RECONNECT);
  let connectedBefore = false;
  for (;;) {
    const started = clock.now();
    const end = await connect(options, input, output, connectedBefore, () => {
      options.status({ kind: connectedBefore ? "reconnected" : "connected" });
      // Not before: what was typed ahead waits in the terminal, where Ctrl-C still works.
      if (!connectedBefore) input.run().catch(options.failed);
      connectedBefore = true;
    });
    if (end.kind !== "lost") return end;
    // What a pipe had sent may be lost with the connection: nobody is there to see that and go on from it.
    if (!options.terminal.interactive) throw connectionLost(end.reason);
    backoff.connectionLived(clock.now() - started);
    const retryInMs = backoff.next();
    options.status({ kind: "lost", reason: end.reason, retryInMs });
    await clock.sleep(retryInMs, signal);
  }
}

function connectionLost(reason: string): RexecError {
  return new RexecError(`the connection was lost: ${reason}`, {
    code: "connection_lost",
    hint: "what was sent may have been done in part: look before you run it again",
  });
}

async function connect(
  options: LoopOptions,
  input: InputPump,
  output: OutputPump,
  again: boolean,
  opened: () => void,
): Promise<Connection> {
  const { signal, target } = options;
  if (signal.aborted) return { kind: "left" };
  const ended = Promise.withResolvers<AttachEnd>();
  ended.promise.catch(() => {}); // raced in `shown`
  const onBytes = (bytes: Uint8Array) => {
    input.active();
    output.push(bytes);
  };
  const onMessage = (message: ToViewerMessage) => {
    if (message.type === "output") onBytes(Buffer.from(message.data));
    else hear(message, options, ended);
  };
  let viewer: ViewerSocket;
  try {
    viewer = await openViewer(target, { onMessage, onBytes }, signal);
  } catch (error) {
    if (signal.aborted) return { kind: "left" };
    if (!again || isFinal(error)) throw error;
    return { kind: "lost", reason: messageOf(error) };
  }
  opened();
  return shown(viewer, options, input, output, ended.promise);
}

async function shown(
  viewer: ViewerSocket,
  { terminal, signal }: LoopOptions,
  input: InputPump,
  output: OutputPump,
  ended: Promise<AttachEnd>,
): Promise<Connection> {
  const sendSize = () => {
    const size = terminal.size();
    if (size) viewer.send(encodeViewer.resize(size.cols, size.rows));
  };
  const stopResizing = terminal.onResize(sendSize);
  try {
    sendSize();
    output.from(viewer);
    input.to(viewer);
    const closed = viewer.closed.then((close) =>
      signal.aborted ? ({ kind: "left" } as const) : afterClose(close),
    );
    const end = await Promise.race([ended, closed]);
    // The exit was told after the last output, which may still be on its way to the screen.
    if (end.kind === "exited") await output.flushed();
    return end;
  } finally {
    stopResizing();
    input.to(null);
    output.from(null);
    viewer.close();
  }
}

function hear(
  message: ToViewerMessage,
  { target, status }: LoopOptions,
  ended: PromiseWithResolvers<AttachEnd>,
): void {
  const session = target.newSession ? splitSessionId(target.viewerId) : MAIN_SESSION;
  if (message.type === "shell_stopped" && message.data.session_id === session) {
    ended.resolve({ kind: "exited", exitCode: exitCodeOf(message.data) ?? ExitCode.ok });
  } else if (message.type === "shell_error" && ["", session].includes(message.data.session_id)) {
    ended.reject(
      new RexecError(`no shell: ${message.data.error}`, {
        code: "shell_failed",
        hint: "check the shell and the working folder in that agent's configuration",
      }),
    );
  } else if (message.type === "agent_status") {
    status({ kind: "agent", online: message.data.status === "online" });
  }
}

function afterClose({ code, reason }: ViewerClose): Connection {
  if (code === CLOSE_SESSION_ENDED) return { kind: "exited", exitCode: ExitCode.ok };
  if (code === CLOSE_VIEWER_REPLACED) {
    throw new RexecError("this session was taken over by another connection", { code: "viewer_replaced" });
  }
  if (code === CLOSE_DELETED) {
    throw new RexecError("the agent was removed, or the token revoked", {
      code: "agent_deleted",
      hint: "rexec ls shows what is left; rexec whoami checks the login",
      exitCode: ExitCode.rejected,
    });
  }
  return { kind: "lost", reason: reason || `connection closed (${code})` };
}
