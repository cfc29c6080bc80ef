/** One command over rexec.v2: its streams go on over any cut, and it runs once at most. */
import { type Clock, systemClock } from "../../lib/clock.ts";
import { messageOf, RexecError } from "../../lib/errors.ts";
import { InputWriter } from "../../link/input-writer.ts";
import { OutputReader } from "../../link/output-reader.ts";
import { Stream, SUBPROTOCOL_V2 } from "../../protocol/v2/frames.ts";
import { afterClose } from "../shell/attach-context.ts";
import type { Connection } from "../socket.ts";
import { Retry } from "../stream/retry.ts";
import { Sink } from "../stream/sink.ts";
import { isFinal, openViewer, type ViewerTarget } from "../viewer.ts";
import { TIMED_OUT_EXIT } from "./exit-code.ts";
import { RunChannel, type RunStep, runGone } from "./run-channel.ts";
import type { RunEnd, RunOptions, RunState } from "./run-state.ts";

const NOTICED_AFTER_MS = 1_500;
/** After so long without a line the agent has ended the command and forgotten its output. */
const GIVE_UP_MS = 10 * 60_000;
/** The agent enforces a timeout; it gets this much longer to say so. */
const TIMEOUT_GRACE_MS = 5_000;
const FAREWELL_MS = 500;

export class RemoteRun {
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

  /** Sends a signal to the command's process group, now or once there is a line again. */
  signal(name: string): void {
    this.#state.signals.push(name);
    this.#channel?.sendSignals();
  }

  /** Leaves at once; the command is hung up. `run` throws `interrupted` with that exit code. */
  leave(exitCode: number): void {
    this.#left.abort(interrupted(exitCode));
  }

  /** As `leave`, for a process that is ending: says so if it can, and waits for nothing. */
  abandon(): void {
    this.#channel?.detach();
  }

  /**
   * Runs the command to its end.
   * @param first open already
   * @throws RexecError `run_gone`, `run_refused`, `interrupted`, `exec_timeout`, `exec_lost`, or as `openViewer`
   */
  async run(first: Connection): Promise<RunEnd> {
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

  async #keepConnected(first: Connection): Promise<RunEnd> {
    const { options } = this.#state;
    const retry = new Retry();
    let told = false;
    const attached = () => {
      retry.succeeded();
      if (told) options.status({ kind: "reconnected" });
      told = false;
    };
    let connection: Connection | null = first;
    for (;;) {
      const step = await this.#serve(connection, retry, attached);
      if (step.kind === "ended") return step.end;
      if (step.kind === "left") throw this.#left.signal.reason;
      connection = null;
      const now = this.#clock.now();
      const retryInMs = retry.next(now);
      const outage = now - (retry.lostAt ?? now);
      this.#checkPatience(outage, step.reason, now);
      if (outage > NOTICED_AFTER_MS && !told) {
        told = true;
        options.status({ kind: "lost", reason: step.reason });
      }
      await this.#clock.sleep(retryInMs, this.#left.signal);
    }
  }

  async #serve(open: Connection | null, retry: Retry, attached: () => void): Promise<RunStep> {
    const left = this.#left.signal;
    let connection = open;
    try {
      if (!connection) {
        const openMs = retry.dial(this.#clock.now());
        connection = await openViewer(this.#target, left, { protocols: [SUBPROTOCOL_V2], openMs });
        retry.opened(this.#clock.now());
      }
    } catch (error) {
      if (left.aborted) return { kind: "left" };
      if (isFinal(error)) throw error;
      return { kind: "lost", reason: messageOf(error) };
    }
    try {
      if (connection.protocol !== SUBPROTOCOL_V2) throw runGone();
      return await this.#converse(connection, attached);
    } finally {
      connection.close();
    }
  }

  async #converse(connection: Connection, attached: () => void): Promise<RunStep> {
    const leaving = Promise.withResolvers<RunStep>();
    const leave = () => leaving.resolve({ kind: "left" });
    const channel = new RunChannel(this.#state, connection, attached);
    this.#channel = channel;
    this.#left.signal.addEventListener("abort", leave);
    if (this.#left.signal.aborted) leave();
    try {
      channel.ask();
      const closed = connection.closed.then((close): RunStep => {
        const step = afterClose(close);
        return step.kind === "lost" ? step : { kind: "lost", reason: "the server closed the connection" };
      });
      const step = await Promise.race([channel.ended, closed, leaving.promise]);
      if (step.kind === "ended") await channel.flushed();
      if (step.kind !== "lost") {
        channel.detach();
        await connection.finish(FAREWELL_MS);
      }
      return step;
    } finally {
      this.#left.signal.removeEventListener("abort", leave);
      this.#channel = null;
      channel.dispose();
    }
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
