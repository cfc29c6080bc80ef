/** The shell of a v1 server: output that comes while no connection is open is lost, and so is what is typed then. */
import { RECONNECT } from "../../lib/backoff.ts";
import { ExitCode, RexecError } from "../../lib/errors.ts";
import type { LinkSocket, SocketClose } from "../../link/socket.ts";
import { MAIN_SESSION, splitSessionId } from "../../protocol/ids.ts";
import { INPUT_CHUNK_BYTES } from "../../protocol/limits.ts";
import { SUBPROTOCOL_V1 } from "../../protocol/v1.ts";
import { encodeViewer, parseToViewerMessage, type ToViewerMessage } from "../../protocol/v1-viewer.ts";
import type { RetryTimes, Step } from "../reconnect.ts";
import { exitCodeOf } from "../run/exit-code.ts";
import { listSessions } from "../sessions.ts";
import {
  type AttachContext,
  afterClose,
  noSessions,
  noTerminalCommands,
  type Shell,
  type ShellConversation,
  shellFailed,
} from "../shell/attach-context.ts";
import { othersCounted } from "../shell/others.ts";
import { Sink } from "../stream/sink.ts";
import type { TerminalSize } from "../terminal/terminal.ts";

/** As the agent's, with at most ten seconds between two tries: a user watches the countdown. */
const TIMES: RetryTimes = { ...RECONNECT, capMs: 10_000, laterCapMs: 10_000, isResumable: false };
/** The socket is paused while more than the one waits for the screen, and goes on below the other, bytes. */
const PAUSE_ABOVE = 256 * 1024;
const RESUME_BELOW = 64 * 1024;
/** No more input is taken while this much waits to be sent, bytes. The socket has no drain event: it is asked. */
const MOST_UNSENT = 1024 * 1024;
const POLL_MS = 20;
/** v1 has one message for all errors: our gateway's about input that is dropped, while the shell goes on. */
const TYPING_REFUSED = /^read-only: you can look and not type$|: what you type is dropped$/;
/** Limit of a question about sessions, ms. */
const ASK_MS = 1_000;

/** The shell of a server of rexec.v1, the shared one or the viewer's own. */
export class ShellV1 implements Shell {
  readonly subprotocol = SUBPROTOCOL_V1;
  readonly times = TIMES;
  readonly takesEarly = false;
  readonly #context: AttachContext;
  readonly #sink: Sink;
  #connection: LinkSocket | null = null;
  #connected = Promise.withResolvers<void>();

  constructor(context: AttachContext) {
    this.#context = context;
    this.#sink = new Sink((bytes) => context.terminal.write(bytes), context.fail);
  }

  async prepare(first: LinkSocket): Promise<void> {
    const { command, session, create } = this.#context;
    if (command) throw noTerminalCommands();
    if (session !== undefined || create === false) throw noSessions();
    // What the shell prints meanwhile waits at the server, and not in here.
    first.pause();
    await this.#tellOthers();
    first.resume();
  }

  async take(bytes: Uint8Array): Promise<void> {
    const { clock, input, signal, terminal } = this.#context;
    // What is typed while nothing is connected is dropped: typed blind, it would run later, somewhere else.
    if (terminal.interactive && !this.#connection) return;
    for (let at = 0; at < bytes.length && !signal.aborted; at += INPUT_CHUNK_BYTES) {
      if (!this.#connection) await this.#connected.promise;
      input.active();
      this.#connection?.send(new Uint8Array(bytes.subarray(at, at + INPUT_CHUNK_BYTES)));
      while ((this.#connection?.buffered ?? 0) > MOST_UNSENT && !signal.aborted)
        await clock.sleep(POLL_MS, signal);
    }
  }

  on(connection: LinkSocket, attached: () => boolean): ShellConversation {
    const end = Promise.withResolvers<Step<number>>();
    end.promise.catch(() => {}); // raced by the owner
    const { terminal } = this.#context;
    const resize = ({ cols, rows }: TerminalSize) => connection.send(encodeViewer.resize(cols, rows));
    return {
      ended: end.promise,
      begin: () => {
        attached();
        const size = terminal.size();
        if (size) resize(size);
        if (this.#sink.pending > PAUSE_ABOVE) connection.pause();
        connection.listen({
          onBytes: (bytes) => this.#show(bytes, connection),
          onText: (text) => this.#hear(text, connection, end),
        });
        this.#connection = connection;
        this.#connected.resolve();
      },
      closed: (close: SocketClose) => afterClose(close),
      resize,
      // The exit was told after the last output, which may still be on its way to the screen.
      finish: () => this.#sink.flushed(),
      leave: async () => {},
      dispose: () => {
        this.#connection = null;
        this.#connected = Promise.withResolvers();
      },
    };
  }

  /** What a pipe had sent may be lost with the connection, and no user sees that and goes on from it. */
  onLost(reason: string): void {
    if (this.#context.terminal.interactive) return;
    throw new RexecError(`the connection was lost: ${reason}`, {
      code: "connection_lost",
      hint: "what was sent may have been done in part: look before you run it again",
    });
  }

  /** A server that lists sessions keeps them; one of the public kind does not. */
  async left() {
    if (this.#context.target.newSession) return { livesOn: null, isKept: false };
    const main = await this.#main(AbortSignal.timeout(ASK_MS));
    return { livesOn: MAIN_SESSION, isKept: main !== undefined };
  }

  // --- internal ---

  /** This viewer is one of those that the server counts. */
  async #tellOthers(): Promise<void> {
    const { target, status, signal } = this.#context;
    if (target.newSession) return;
    const main = await this.#main(AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]));
    const text = othersCounted((main?.viewers ?? 0) - 1);
    if (text && !signal.aborted) status({ kind: "others", text });
  }

  /** The shared session, where the server lists it. */
  async #main(limit: AbortSignal) {
    const { server, agentId } = this.#context.target;
    const sessions = await listSessions(server, agentId, limit).catch(() => []);
    return sessions.find(({ session, ended_at }) => session === MAIN_SESSION && ended_at === null);
  }

  #show(bytes: Uint8Array, connection: LinkSocket): void {
    const sink = this.#sink;
    this.#context.input.active();
    if (bytes.length === 0) return;
    sink.push(bytes, () => {
      if (sink.pending < RESUME_BELOW) this.#connection?.resume();
    });
    if (sink.pending > PAUSE_ABOVE) connection.pause();
  }

  #hear(text: string, connection: LinkSocket, end: PromiseWithResolvers<Step<number>>): void {
    const parsed = parseToViewerMessage(text);
    // A newer server may say more than we know; a broken message is no output.
    if (!parsed.ok) return;
    if (parsed.value.type === "output") this.#show(Buffer.from(parsed.value.data), connection);
    else this.#told(parsed.value, end);
  }

  #told(message: ToViewerMessage, end: PromiseWithResolvers<Step<number>>): void {
    const { target, status } = this.#context;
    const session = target.newSession ? splitSessionId(target.viewerId) : MAIN_SESSION;
    if (message.type === "shell_stopped" && message.data.session_id === session) {
      end.resolve({ kind: "ended", end: exitCodeOf(message.data) ?? ExitCode.ok });
    } else if (message.type === "shell_error" && TYPING_REFUSED.test(message.data.error)) {
      status({ kind: "control", text: message.data.error });
    } else if (message.type === "shell_error" && ["", session].includes(message.data.session_id)) {
      end.reject(shellFailed(message.data.error));
    } else if (message.type === "agent_status") {
      status({ kind: "agent", online: message.data.status === "online" });
    }
  }
}
