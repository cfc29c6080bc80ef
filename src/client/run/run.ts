/** One command over rexec.v2: its streams go on over any cut, and it runs once at most. */
import { type Clock, systemClock } from "../../lib/clock.ts";
import { RexecError } from "../../lib/errors.ts";
import { InputWriter } from "../../link/input-writer.ts";
import { OutputReader } from "../../link/output-reader.ts";
import type { LinkSocket } from "../../link/socket.ts";
import { Stream, SUBPROTOCOL_V2 } from "../../protocol/v2/frames.ts";
import { keepConnected, RESUMING } from "../reconnect.ts";
import { Sink } from "../stream/sink.ts";
import type { ViewerTarget } from "../viewer.ts";
import { TIMED_OUT_EXIT } from "./exit-code.ts";
import { RunChannel, runGone } from "./run-channel.ts";
import {
  type RemoteCommand,
  type RunControl,
  type RunEnd,
  type RunOptions,
  type RunState,
  TIMEOUT_GRACE_MS,
} from "./run-state.ts";

/** After so long without a line the agent has ended the command and forgotten its output. */
const GIVE_UP_MS = 10 * 60_000;

/** A command of rexec.v2 over all of its connections. Runs once. */
export class RemoteRun implements RemoteCommand, RunControl {
  readonly control: RunControl = this;
  readonly #target: ViewerTarget;
  readonly #clock: Clock;
  readonly #state: RunState;
  readonly #left = new AbortController();
  readonly #failed = Promise.withResolvers<never>();
  #channel: RunChannel | null = null;

  constructor(target: ViewerTarget, options: RunOptions, clock: Clock = systemClock) {
    this.#target = target;
    this.#clock = clock;
    this.#failed.promise.catch(() => {}); // raced in `run`
    const sink = (write: (bytes: Uint8Array) => Promise<void>) => new Sink(write, this.#failed.reject);
    const [out, err] = [sink(options.stdout), sink(options.stderr)];
    this.#state = {
      id: crypto.randomUUID(),
      options,
      stdin: new InputWriter(),
      stdout: new OutputReader(Stream.output, out),
      stderr: new OutputReader(Stream.stderr, err),
      sinks: [out, err],
      asked: false,
      startedAt: null,
      signals: [],
    };
  }

  signal(name: string): void {
    this.#state.signals.push(name);
    this.#channel?.sendSignals();
  }

  leave(exitCode: number): void {
    this.#left.abort(interrupted(exitCode));
  }

  abandon(): void {
    this.#channel?.detach();
  }

  /**
   * Runs the command to its end.
   * @param first open already
   * @throws RexecError `run_gone`, `run_refused`, `interrupted`, `exec_timeout`, `exec_lost`, or as `openViewer`
   */
  async run(first: LinkSocket): Promise<RunEnd> {
    try {
      void this.#feed();
      return await Promise.race([this.#keepConnected(first), this.#failed.promise]);
    } finally {
      this.#left.abort();
    }
  }

  // --- internal ---

  async #feed(): Promise<void> {
    const { stdin, options } = this.#state;
    try {
      for await (const bytes of options.stdin ?? []) {
        await stdin.take(bytes, this.#left.signal);
        if (this.#left.signal.aborted) return;
      }
      stdin.finish();
    } catch (error) {
      this.#failed.reject(error);
    }
  }

  async #keepConnected(first: LinkSocket): Promise<RunEnd> {
    const { signal } = this.#left;
    const ended = await keepConnected(first, {
      target: this.#target,
      subprotocol: SUBPROTOCOL_V2,
      times: RESUMING,
      clock: this.#clock,
      signal,
      status: this.#state.options.status,
      converse: (connection, attached) => {
        if (connection.protocol !== SUBPROTOCOL_V2) throw runGone();
        this.#channel = new RunChannel(this.#state, connection, attached);
        return this.#channel;
      },
      onLost: (reason, outageMs) => this.#checkPatience(outageMs, reason, this.#clock.now()),
    });
    if (!ended) throw signal.reason;
    return ended.end;
  }

  #checkPatience(outageMs: number, reason: string, now: number): void {
    const { options, startedAt } = this.#state;
    if (outageMs > GIVE_UP_MS) {
      throw new RexecError(`the connection was lost before the command ended: ${reason}`, {
        code: "exec_lost",
        hint: "it ran, and was hung up when nobody came back: look before you run it again",
      });
    }
    const overdue = now - (startedAt ?? now) - (options.timeoutMs ?? Number.POSITIVE_INFINITY);
    if (overdue <= TIMEOUT_GRACE_MS || outageMs <= TIMEOUT_GRACE_MS) return;
    throw new RexecError("the time is up and the agent cannot be reached", {
      code: "exec_timeout",
      hint: "the command was killed there, unless it ended by itself before",
      exitCode: TIMED_OUT_EXIT,
    });
  }
}

function interrupted(exitCode: number): RexecError {
  return new RexecError("interrupted; the command was hung up", { code: "interrupted", exitCode });
}
