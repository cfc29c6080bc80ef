/** A command on one connection: asked for, its streams passed on, until either of the two ends. */
import { counted } from "../../lib/count.ts";
import { OWN_FAILURE, RexecError } from "../../lib/errors.ts";
import type { OutputReader } from "../../link/output-reader.ts";
import type { LinkSocket, SocketClose } from "../../link/socket.ts";
import { encodeControl, type OwnerMessage, SHOWN_CHARS } from "../../protocol/v2/control.ts";
import { Stream } from "../../protocol/v2/frames.ts";
import { type Conversation, lostBy, type Step } from "../reconnect.ts";
import { type ChannelEvents, ProtocolError, readChannel } from "../stream/channel.ts";
import { CHANNEL, lineOf } from "../stream/line.ts";
import type { Refused } from "../stream/refusals.ts";
import { exitCodeOf, type RemoteExit } from "./exit-code.ts";
import type { RunEnd, RunState } from "./run-state.ts";

/** Limit of the goodbye, ms. */
const FAREWELL_MS = 500;

/** A command of rexec.v2 on one connection. `keepConnected` owns it. */
export class RunChannel implements ChannelEvents, Conversation<RunEnd> {
  readonly ended: Promise<Step<RunEnd>>;
  readonly #end = Promise.withResolvers<Step<RunEnd>>();
  readonly #state: RunState;
  readonly #connection: LinkSocket;
  readonly #onAttached: () => boolean;
  #attached = false;

  constructor(state: RunState, connection: LinkSocket, onAttached: () => boolean) {
    this.#state = state;
    this.#connection = connection;
    this.#onAttached = onAttached;
    this.ended = this.#end.promise;
    this.ended.catch(() => {}); // raced by the owner
  }

  begin(): void {
    readChannel(this.#connection, CHANNEL, this);
    const { id, options, stdout, stderr, asked } = this.#state;
    this.#state.asked = true;
    this.#control({
      type: "run",
      channel: CHANNEL,
      run: id,
      command: options.command,
      ...(options.shown === options.command
        ? {}
        : { shown: options.shown.slice(0, SHOWN_CHARS).toWellFormed() }),
      zstd: true,
      cursors: [stdout.cursor, stderr.cursor],
      resume: asked,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env && Object.keys(options.env).length > 0 ? { env: options.env } : {}),
      ...(options.lingerMs === undefined ? {} : { linger_ms: Math.ceil(options.lingerMs) }),
      ...(options.timeoutMs === undefined ? {} : { timeout_ms: Math.ceil(options.timeoutMs) }),
    });
  }

  /** Sends the signals that wait. */
  sendSignals(): void {
    if (!this.#attached) return;
    for (const signal of this.#state.signals.splice(0)) {
      this.#control({ type: "signal", channel: CHANNEL, signal });
    }
  }

  /** We are done: nothing is held for us. */
  detach(): void {
    this.#control({ type: "detach", channel: CHANNEL });
  }

  closed(close: SocketClose): Step<RunEnd> {
    return lostBy(close);
  }

  async leave(): Promise<void> {
    this.detach();
    await this.#connection.finish(FAREWELL_MS);
  }

  /** Resolves once all output is written and acknowledged. */
  async finish(): Promise<void> {
    await Promise.all(this.#state.sinks.map((sink) => sink.flushed()));
    for (const intake of [this.#state.stdout, this.#state.stderr]) intake.flushAck();
    await this.leave();
  }

  dispose(): void {
    // Signals from now on wait for the next connection.
    this.#attached = false;
    for (const part of [this.#state.stdin, this.#state.stdout, this.#state.stderr]) part.detached();
  }

  message(message: OwnerMessage): void {
    if (message.type === "attached") {
      if (message.recorded && this.#state.startedAt === null)
        this.#state.options.status({ kind: "recorded" });
      this.#onAttach(message.input);
    } else if (message.type === "refused") this.#refused(message);
    else if (message.type === "ended") this.#ended(message);
  }

  data(stream: Stream, offset: number, bytes: Uint8Array): void {
    this.#intake(stream)?.data(offset, bytes);
  }

  ack(consumed: number, limit: number): void {
    if (!this.#state.stdin.ack(consumed, limit)) throw new ProtocolError(`stdin ${consumed} was never sent`);
  }

  fin(stream: Stream, offset: number): void {
    const cursor = this.#intake(stream)?.cursor ?? offset;
    if (offset !== cursor) throw new ProtocolError(`stream ${stream} ends at ${offset}, not at ${cursor}`);
  }

  gap(stream: Stream, to: number): void {
    const lost = this.#intake(stream)?.gap(to) ?? 0;
    if (lost > 0) this.#end.reject(outputLost(lost));
  }

  screen(): void {
    throw new ProtocolError("a screen of a command");
  }

  // --- internal ---

  #control(message: Parameters<typeof encodeControl>[0]): void {
    this.#connection.send(encodeControl(message));
  }

  #intake(stream: Stream): OutputReader | null {
    if (stream === Stream.output) return this.#state.stdout;
    return stream === Stream.stderr ? this.#state.stderr : null;
  }

  #onAttach(applied: number): void {
    const line = lineOf(this.#connection);
    this.#state.startedAt ??= performance.now();
    this.#attached = true;
    // Signals and input overtake what is granted to output.
    this.sendSignals();
    if (this.#state.stdin.attached(applied, line) > 0) {
      this.#end.reject(new RexecError("the agent lost part of stdin", { code: "stdin_lost" }));
    }
    this.#state.stdout.attached(line);
    this.#state.stderr.attached(line);
    this.#onAttached();
  }

  #refused({ code, message }: Refused): void {
    if (code === "lost") return void this.#end.resolve({ kind: "lost", reason: message });
    if (code === "gone") return void this.#end.reject(runGone());
    if (code === "failed") return void this.#end.resolve({ kind: "ended", end: this.#endOf({}, message) });
    const hint = code === "not_allowed" ? "ask a manager of the machine for the right to use it" : undefined;
    this.#end.reject(
      new RexecError(`the command was refused: ${message}`, {
        code: "run_refused",
        ...(hint ? { hint } : {}),
      }),
    );
  }

  #ended(ended: Extract<OwnerMessage, { type: "ended" }>): void {
    this.#end.resolve({ kind: "ended", end: this.#endOf(ended) });
  }

  #endOf(told: RemoteExit & { left_open?: boolean | undefined }, neverRan: string | null = null): RunEnd {
    const { startedAt, options } = this.#state;
    const code = exitCodeOf(told);
    return {
      command: options.shown,
      success: code === 0,
      exitCode: code ?? OWN_FAILURE,
      signal: told.signal ?? null,
      timedOut: told.timed_out === true,
      leftOpen: told.left_open === true,
      truncated: false,
      durationMs: startedAt === null ? 0 : Math.round(performance.now() - startedAt),
      neverRan,
      error: neverRan ?? undefined,
      merged: null,
      basic: false,
    };
  }
}

/** The agent does not know the command (any more). */
export function runGone(): RexecError {
  return new RexecError("the command is gone: its agent was started anew, or nobody came back for too long", {
    code: "run_gone",
    hint: "it may have run: look before you run it again",
  });
}

/** A command's output is held for its reader: this should not happen. */
function outputLost(bytes: number): RexecError {
  return new RexecError(`lost ${counted(bytes, "byte")} of the command's output`, {
    code: "output_lost",
    hint: "it may have run: look before you run it again",
  });
}
