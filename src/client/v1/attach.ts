/** The shell of a v1 server: output that comes while nobody is connected is lost, and so is what is typed then. */
import { Backoff, type BackoffOptions, RECONNECT } from "../../lib/backoff.ts";
import { ExitCode, messageOf, RexecError } from "../../lib/errors.ts";
import { MAIN_SESSION, splitSessionId } from "../../protocol/ids.ts";
import { INPUT_CHUNK_BYTES } from "../../protocol/limits.ts";
import { SUBPROTOCOL_V1 } from "../../protocol/v1.ts";
import { encodeViewer, parseToViewerMessage, type ToViewerMessage } from "../../protocol/v1-viewer.ts";
import { exitCodeOf } from "../run/exit-code.ts";
import { listSessions } from "../sessions.ts";
import {
  type AttachContext,
  type AttachEnd,
  afterClose,
  type Left,
  type Step,
  shellFailed,
} from "../shell/attach-context.ts";
import { othersCounted } from "../shell/others.ts";
import type { Connection } from "../socket.ts";
import type { InputSink } from "../terminal/input-pump.ts";
import { OutputPump } from "../terminal/output-pump.ts";
import { isFinal, openViewer } from "../viewer.ts";

/** As the agent's, but nobody likes to look at a countdown for half a minute. */
const VIEWER_RECONNECT: BackoffOptions = { ...RECONNECT, capMs: 10_000 };

/** @param first open already */
export async function attachV1(context: AttachContext, first: Connection): Promise<AttachEnd> {
  const { clock, signal, terminal } = context;
  const backoff = new Backoff(context.backoff ?? VIEWER_RECONNECT);
  const output = new OutputPump((bytes) => terminal.write(bytes), context.fail);
  const input = new SocketInput(context);
  context.input.to(input);
  let connection: Connection | null = first;
  for (let again = false; ; again = true) {
    const started = clock.now();
    const step = await connect(context, connection, input, output, () => {
      context.status(again ? { kind: "reconnected" } : { kind: "connected", v2: false });
    });
    if (step.kind === "left") return { ...step, ...(await left(context)) };
    if (step.kind === "exited") return step;
    // What a pipe had sent may be lost with the connection: nobody is there to see that and go on from it.
    if (!terminal.interactive) throw connectionLost(step.reason);
    connection = null;
    backoff.connectionLived(clock.now() - started);
    const retryInMs = backoff.next();
    context.status({ kind: "lost", reason: step.reason, retryInMs });
    await clock.sleep(retryInMs, signal);
  }
}

/** Who else is there, before anything is shown or read. Only our gateway lists sessions. We are one of the viewers. */
export async function tellOthers({ target, status, signal }: AttachContext): Promise<void> {
  if (target.newSession) return;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]);
  const sessions = await listSessions(target.server, target.agentId, limit).catch(() => []);
  const main = sessions.find(({ session, ended_at }) => session === MAIN_SESSION && ended_at === null);
  const text = othersCounted((main?.viewers ?? 0) - 1);
  if (text && !signal.aborted) status({ kind: "others", text });
}

// --- internal ---

/** Nothing more is taken while this much waits to be sent, bytes. The socket has no drain event: it is asked. */
const HIGH = 1024 * 1024;
const POLL_MS = 20;

/** How long it may take to find out, ms. */
const ASK_MS = 1_000;

/** What becomes of the shell: a server that lists sessions keeps them, one of the public kind does not. */
async function left({ target }: AttachContext): Promise<Pick<Left, "livesOn" | "isKept">> {
  if (target.newSession) return { livesOn: null, isKept: false };
  const asked = listSessions(target.server, target.agentId, AbortSignal.timeout(ASK_MS));
  const sessions = await asked.catch(() => []);
  const isKept = sessions.some(({ session, ended_at }) => session === MAIN_SESSION && ended_at === null);
  return { livesOn: MAIN_SESSION, isKept };
}

function connectionLost(reason: string): RexecError {
  return new RexecError(`the connection was lost: ${reason}`, {
    code: "connection_lost",
    hint: "what was sent may have been done in part: look before you run it again",
  });
}

class SocketInput implements InputSink {
  readonly takesEarly = false;
  readonly #context: AttachContext;
  #connection: Connection | null = null;
  #connected = Promise.withResolvers<void>();

  constructor(context: AttachContext) {
    this.#context = context;
  }

  /** Where input goes from now on; null while there is no connection. */
  to(connection: Connection | null): void {
    this.#connection = connection;
    if (connection) this.#connected.resolve();
    else this.#connected = Promise.withResolvers();
  }

  async take(bytes: Uint8Array): Promise<void> {
    const { clock, input, signal, terminal } = this.#context;
    // What is typed while nothing is connected is dropped: typed blind, it would run later, somewhere else.
    if (terminal.interactive && !this.#connection) return;
    for (let at = 0; at < bytes.length && !signal.aborted; at += INPUT_CHUNK_BYTES) {
      if (!this.#connection) await this.#connected.promise;
      input.active();
      this.#connection?.send(new Uint8Array(bytes.subarray(at, at + INPUT_CHUNK_BYTES)));
      while ((this.#connection?.buffered ?? 0) > HIGH && !signal.aborted) await clock.sleep(POLL_MS, signal);
    }
  }
}

async function connect(
  context: AttachContext,
  open: Connection | null,
  input: SocketInput,
  output: OutputPump,
  opened: () => void,
): Promise<Step> {
  const { signal, target } = context;
  let connection = open;
  try {
    connection ??= await openViewer(target, signal, { protocols: [SUBPROTOCOL_V1] });
  } catch (error) {
    if (signal.aborted) return { kind: "left" };
    if (isFinal(error)) throw error;
    return { kind: "lost", reason: messageOf(error) };
  }
  const close = () => connection.close();
  signal.addEventListener("abort", close);
  try {
    opened();
    return signal.aborted ? { kind: "left" } : await shown(connection, context, input, output);
  } finally {
    signal.removeEventListener("abort", close);
    input.to(null);
    output.from(null);
    connection.close();
  }
}

async function shown(
  connection: Connection,
  context: AttachContext,
  input: SocketInput,
  output: OutputPump,
): Promise<Step> {
  const { terminal, signal } = context;
  const ended = Promise.withResolvers<Step>();
  ended.promise.catch(() => {}); // raced below
  const onBytes = (bytes: Uint8Array) => {
    context.input.active();
    output.push(bytes);
  };
  const sendSize = () => {
    const size = terminal.size();
    if (size) connection.send(encodeViewer.resize(size.cols, size.rows));
  };
  const stopResizing = terminal.onResize(sendSize);
  try {
    sendSize();
    output.from(connection);
    connection.listen({
      onBytes,
      onText(text) {
        const parsed = parseToViewerMessage(text);
        // A newer server may say more than we know; a broken message is nobody's output.
        if (!parsed.ok) return;
        if (parsed.value.type === "output") onBytes(Buffer.from(parsed.value.data));
        else hear(parsed.value, context, ended);
      },
    });
    input.to(connection);
    const closed = connection.closed.then((close) =>
      signal.aborted ? ({ kind: "left" } as const) : afterClose(close),
    );
    const end = await Promise.race([ended.promise, closed]);
    // The exit was told after the last output, which may still be on its way to the screen.
    if (end.kind === "exited") await output.flushed();
    return end;
  } finally {
    stopResizing();
  }
}

function hear(
  message: ToViewerMessage,
  { target, status }: AttachContext,
  ended: PromiseWithResolvers<Step>,
): void {
  const session = target.newSession ? splitSessionId(target.viewerId) : MAIN_SESSION;
  if (message.type === "shell_stopped" && message.data.session_id === session) {
    ended.resolve({ kind: "exited", exitCode: exitCodeOf(message.data) ?? ExitCode.ok });
  } else if (message.type === "shell_error" && ["", session].includes(message.data.session_id)) {
    ended.reject(shellFailed(message.data.error));
  } else if (message.type === "agent_status") {
    status({ kind: "agent", online: message.data.status === "online" });
  }
}
