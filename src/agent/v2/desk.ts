/**
 * The agent's half of rexec.v2: channels of the connection that is there, sessions and commands behind them. What it
 * says and why stands in docs/protocol-v2.md.
 */
import { messageOf, RexecError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { DEFAULT_COLS, DEFAULT_ROWS } from "../../protocol/limits.ts";
import {
  encodeControl,
  type OpenerMessage,
  parseOpener,
  type RefusalCode,
} from "../../protocol/v2/control.ts";
import { decodeFrame, encodeFrame, type Frame, Stream } from "../../protocol/v2/frames.ts";
import type { Line, Outbox } from "../outbox.ts";
import type { Session } from "../session.ts";
import type { SessionManager } from "../session-manager.ts";
import { Holds } from "./holds.ts";
import { OutputChannel } from "./output-channel.ts";
import type { Run } from "./run.ts";
import { RunChannel } from "./run-channel.ts";
import type { Runs } from "./runs.ts";
import { infoOfSession } from "./session-info.ts";
import { INPUT_WINDOW, type ViewerInput, ViewerInputs } from "./viewer-inputs.ts";

/** Channels of one connection. */
const MAX_CHANNELS = 1_024;

type Attach = Extract<OpenerMessage, { type: "attach" }>;

/** A shell's channel: input always, output where it was asked for. */
interface ShellChannel {
  session: Session;
  input: ViewerInput;
  output: OutputChannel | null;
}

export interface DeskOptions {
  outbox: Outbox;
  sessions: SessionManager;
  runs: Runs;
  logger: Logger;
  holdMs: number;
}

export class Desk {
  readonly #options: DeskOptions;
  readonly #inputs = new ViewerInputs();
  readonly #holds: Holds;
  #line: Line | null = null;
  #channels = new Map<number, ShellChannel>();
  #runChannels = new Map<number, RunChannel>();

  constructor(options: DeskOptions) {
    this.#options = options;
    this.#holds = new Holds(options.holdMs);
  }

  /** The connection that is there speaks rexec.v2. */
  get isOpen(): boolean {
    return this.#line !== null;
  }

  /** A connection that speaks rexec.v2 is there. */
  opened(line: Line): void {
    this.#line = line;
  }

  /** It is gone, without a word. */
  closed(): void {
    this.#line = null;
    const channels = this.#channels;
    this.#channels = new Map();
    for (const { output } of channels.values()) {
      if (!output) continue;
      this.#holds.keep(output);
      output.close();
    }
    const runChannels = this.#runChannels;
    this.#runChannels = new Map();
    for (const each of runChannels.values()) {
      each.close();
      this.#options.runs.leave(each.run);
    }
  }

  /** Takes a text frame that is one of ours; false where it is not. */
  text(text: string): boolean {
    if (!this.#line) return false;
    const parsed = parseOpener(text);
    if (parsed.ok) this.#dispatch(parsed.value);
    else if (parsed.problem === "unknown") return false;
    else this.#refuse(undefined, "bad_message", parsed.reason);
    return true;
  }

  binary(bytes: Uint8Array): void {
    const decoded = decodeFrame(bytes);
    if (!decoded.ok) {
      if (decoded.problem === "invalid") this.#broken(decoded.reason);
      return;
    }
    const { frame } = decoded;
    const shell = this.#channels.get(frame.channel);
    const run = this.#runChannels.get(frame.channel);
    // What is late for a channel that was closed meanwhile is nobody's.
    if (shell) this.#toShell(shell, frame);
    const wrong = run?.frame(frame);
    if (wrong) this.#broken(wrong);
  }

  // --- internal ---

  #dispatch(message: OpenerMessage): void {
    switch (message.type) {
      case "attach":
        this.#attach(message);
        break;
      case "resize":
        this.#channels.get(message.channel)?.session.resize(message.cols, message.rows);
        break;
      case "hold":
        this.#hold(message.channel, message.hold);
        break;
      case "detach":
        this.#detach(message.channel);
        break;
      case "kill":
        this.#kill(message.session);
        break;
      case "list":
        this.#list();
        break;
      case "run":
        this.#run(message);
        break;
      case "signal":
        this.#runChannels.get(message.channel)?.run.signal(message.signal);
        break;
    }
  }

  #attach(message: Attach): void {
    const { channel } = message;
    if (this.#channels.size >= MAX_CHANNELS) {
      this.#refuse(channel, "too_many_channels", `${MAX_CHANNELS} channels are open`);
      return;
    }
    if (this.#channels.has(channel)) {
      this.#broken(`channel ${channel} is open already`);
      return;
    }
    const found = this.#find(message);
    if (!found) return;
    const { session, created } = found;
    const { cols, rows, viewer, output } = message;
    if (!created && cols !== undefined && rows !== undefined && session.state === "running")
      session.resize(cols, rows);
    const input = this.#inputs.of(session, viewer);
    const { ring } = session;
    const oldest = message.tail === undefined ? ring.start : Math.max(ring.start, ring.end - message.tail);
    const from = Math.min(message.cursor ?? oldest, ring.end);
    this.#control({
      type: "attached",
      channel,
      info: infoOfSession(session),
      starts: [from, 0],
      input: input.accepted,
      created,
    });
    this.#ackInput(channel, input);
    const { outbox } = this.#options;
    const reader = output
      ? new OutputChannel({ channel, viewer, session, outbox, from, holds: message.hold })
      : null;
    this.#channels.set(channel, { session, input, output: reader });
    if (output) this.#holds.release(session, viewer);
    reader?.advance();
  }

  #run(message: Extract<OpenerMessage, { type: "run" }>): void {
    const { channel, cursors } = message;
    let opened: { run: Run; created: boolean };
    try {
      opened = this.#options.runs.open(message);
    } catch (error) {
      const code = error instanceof RexecError ? refusalOf(error.code) : "failed";
      this.#refuse(channel, code, messageOf(error));
      return;
    }
    const { run, created } = opened;
    const [stdout, stderr] = run.outputs;
    if (!holds(stdout.ring, cursors[0]) || !holds(stderr.ring, cursors[1])) {
      this.#refuse(channel, "gone", "this command's output is not here any more");
      return;
    }
    // One reader a command: whoever comes last.
    for (const [number, each] of this.#runChannels) {
      if (each.run !== run) continue;
      each.close();
      this.#runChannels.delete(number);
    }
    const { accepted: input } = run.input;
    this.#control({ type: "attached", channel, info: run.info, starts: cursors, input, created });
    const opening = new RunChannel(channel, run, this.#options.outbox, cursors);
    this.#runChannels.set(channel, opening);
    opening.ackInput();
    opening.advance();
  }

  #list(): void {
    const { sessions, runs } = this.#options;
    const all = [...sessions.list().map(infoOfSession), ...runs.list().map(({ info }) => info)];
    this.#control({ type: "sessions", sessions: all });
  }

  #kill(session: string): void {
    const { sessions, runs } = this.#options;
    sessions.stop(session);
    void runs.get(session)?.end("SIGTERM");
  }

  /** The session that is meant, started where it has to be; null where that was refused. */
  #find({
    channel,
    session: name,
    instance,
    create,
    cols,
    rows,
  }: Attach): { session: Session; created: boolean } | null {
    const { sessions } = this.#options;
    const known = instance === undefined ? sessions.running(name) : sessions.instance(instance);
    if (known) return { session: known, created: false };
    if (instance === undefined && create) {
      try {
        const size = { cols: cols ?? DEFAULT_COLS, rows: rows ?? DEFAULT_ROWS };
        return { session: sessions.open(name, size), created: true };
      } catch (error) {
        const full = error instanceof RexecError && error.code === "too_many_sessions";
        this.#refuse(channel, full ? "too_many_sessions" : "failed", messageOf(error));
        return null;
      }
    }
    const ended = instance === undefined ? sessions.lastEnded(name) : undefined;
    if (ended) return { session: ended, created: false };
    this.#refuse(channel, "gone", `no session ${name} is known here`);
    return null;
  }

  #toShell({ session, input, output }: ShellChannel, frame: Frame): void {
    const { channel } = frame;
    if (frame.kind === "data" && frame.stream === Stream.input) {
      const ok = input.accept(frame.offset, frame.bytes, () => {
        if (this.#channels.get(channel)?.input === input) this.#ackInput(channel, input);
      });
      if (!ok) this.#broken(`input of ${session.id} came out of order or beyond its window`);
    } else if (frame.kind === "ack" && frame.stream === Stream.output) {
      if (output && !output.ack(frame.consumed, frame.limit))
        this.#broken(`output of ${session.id} was acknowledged before it was sent`);
    }
  }

  #hold(channel: number, hold: boolean): void {
    const shell = this.#channels.get(channel);
    if (!shell?.output) return;
    shell.output.holds = hold;
    shell.session.readersChanged();
  }

  #detach(channel: number): void {
    const shell = this.#channels.get(channel);
    this.#channels.delete(channel);
    shell?.output?.close();
    const run = this.#runChannels.get(channel);
    this.#runChannels.delete(channel);
    if (!run) return;
    run.close();
    this.#options.runs.drop(run.run);
  }

  #ackInput(channel: number, { applied }: ViewerInput): void {
    const limit = applied + INPUT_WINDOW;
    this.#options.outbox.control(
      encodeFrame({ kind: "ack", stream: Stream.input, channel, consumed: applied, limit }),
    );
  }

  #control(message: Parameters<typeof encodeControl>[0]): void {
    this.#options.outbox.control(encodeControl(message));
  }

  #refuse(channel: number | undefined, code: RefusalCode, message: string): void {
    this.#control({ type: "refused", ...(channel === undefined ? {} : { channel }), code, message });
  }

  /** Both peers are ours: this is a bug, not weather. */
  #broken(reason: string): void {
    this.#options.logger.error(`rexec.v2: ${reason}`);
    this.#line?.drop(`the server broke rexec.v2: ${reason}`);
  }
}

function holds(ring: { start: number; end: number }, offset: number): boolean {
  return offset >= ring.start && offset <= ring.end;
}

function refusalOf(code: string): RefusalCode {
  return code === "gone" || code === "too_many_sessions" ? code : "failed";
}
