/** A shell on one connection: attached, shown, typed into, until either of the two ends. */
import { counted } from "../../lib/count.ts";
import { ExitCode } from "../../lib/errors.ts";
import type { LinkSocket, SocketClose } from "../../link/socket.ts";
import { encodeControl, GATEWAY_VIEWER, type OwnerMessage } from "../../protocol/v2/control.ts";
import { Stream } from "../../protocol/v2/frames.ts";
import { NOTICED_AFTER_MS, type Step } from "../reconnect.ts";
import { exitCodeOf } from "../run/exit-code.ts";
import { type ChannelEvents, ProtocolError, readChannel } from "../stream/channel.ts";
import { CHANNEL, lineOf } from "../stream/line.ts";
import { attachRefused, type Refused, sessionGone, unknownSession } from "../stream/refusals.ts";
import type { TerminalSize } from "../terminal/terminal.ts";
import {
  type AttachContext,
  afterClose,
  noTerminalCommands,
  type ShellConversation,
} from "./attach-context.ts";
import { othersText, recordedText } from "./others.ts";
import { blankScreen, freeRow, marker, type ScreenHead, Snapshot } from "./screen.ts";
import type { ShellState } from "./shell-state.ts";

type Attached = Extract<OwnerMessage, { type: "attached" }>;
type Ended = Extract<OwnerMessage, { type: "ended" }>;

/** Input that was typed just before leaving gets this long to arrive, ms. */
const LAST_INPUT_MS = 1_000;

/** A shell of rexec.v2 on one connection: attached, shown and typed into. `keepConnected` owns it. */
export class ShellChannel implements ChannelEvents, ShellConversation {
  readonly ended: Promise<Step<number>>;
  readonly #end = Promise.withResolvers<Step<number>>();
  readonly #context: AttachContext;
  readonly #state: ShellState;
  readonly #connection: LinkSocket;
  /** To be shown with the first picture. */
  #notes: string[] = [];
  #isAttached = false;
  #sessionRows = 0;
  readonly #onAttached: () => boolean;
  #snapshot: Snapshot | null = null;
  #absence: ReturnType<typeof setTimeout> | undefined;

  constructor(context: AttachContext, state: ShellState, connection: LinkSocket, onAttached: () => boolean) {
    this.#context = context;
    this.#state = state;
    this.#connection = connection;
    this.#onAttached = onAttached;
    this.ended = this.#end.promise;
    this.ended.catch(() => {}); // raced by the owner
  }

  begin(): void {
    readChannel(this.#connection, CHANNEL, this);
    this.#sendAttach();
  }

  closed(close: SocketClose): Step<number> {
    return afterClose(close);
  }

  /** Asks for it; a gateway that does not know this says nothing. */
  control(mode: "everybody" | "only"): void {
    this.#control({ type: "control", channel: CHANNEL, mode });
  }

  resize(size: TerminalSize): void {
    this.#control({ type: "resize", channel: CHANNEL, ...size });
  }

  /** What was typed last still counts: it is waited for, for a moment. */
  async leave(): Promise<void> {
    const limit = AbortSignal.timeout(LAST_INPUT_MS);
    await Promise.race([this.#state.journal.applied(limit), this.#connection.closed]);
    this.#control({ type: "detach", channel: CHANNEL });
    await this.#connection.finish(LAST_INPUT_MS / 2);
  }

  /** The end was told after the last output, which may still be on its way to the screen. */
  async finish(): Promise<void> {
    await this.#state.sink.flushed();
    this.#state.output.flushAck();
  }

  dispose(): void {
    clearTimeout(this.#absence);
    this.#state.journal.detached();
    this.#state.output.detached();
  }

  message(message: OwnerMessage): void {
    switch (message.type) {
      case "attached":
        return void this.#attached(message);
      case "screen":
        return void this.#screenAnnounced(message);
      case "ended":
        return void this.#ended(message);
      case "refused":
        return void this.#refused(message);
      case "size":
        return void this.#size(message);
      case "recorded":
        return void this.#recorded(message.on);
      case "agent_status":
        return void this.#agentStatus(message.status === "online");
      case "control":
        return void this.#rights(message);
      case "input_refused":
        return void this.#context.status({ kind: "control", text: message.message });
      case "sessions":
        return;
    }
  }

  data(stream: Stream, offset: number, bytes: Uint8Array): void {
    if (stream !== Stream.output) return;
    if (this.#snapshot) throw new ProtocolError("output in the middle of a snapshot");
    this.#context.input.active();
    this.#state.output.data(offset, bytes);
  }

  ack(consumed: number, limit: number): void {
    if (!this.#state.journal.ack(consumed, limit))
      throw new ProtocolError(`input ${consumed} was never sent`);
  }

  fin(stream: Stream, offset: number): void {
    const { cursor } = this.#state.output;
    if (stream === Stream.output && offset > cursor)
      throw new ProtocolError(`the end at ${offset}, after ${cursor}`);
  }

  gap(stream: Stream, to: number): void {
    if (stream !== Stream.output) return;
    const skipped = this.#state.output.gap(to);
    if (skipped > 0) this.#tellSkipped(skipped);
  }

  screen(position: number, bytes: Uint8Array): void {
    if (!this.#snapshot) return;
    this.#snapshot.add(position, bytes);
    if (this.#snapshot.complete) this.#show(this.#snapshot);
  }

  // --- internal ---

  #agentStatus(online: boolean): void {
    const state = this.#state;
    clearTimeout(this.#absence);
    if (online) {
      if (state.toldAbsence) this.#context.status({ kind: "agent", online });
      return;
    }
    // No agent takes input until the next `attached`.
    state.journal.detached();
    // An agent that restarts in place is away for a tenth of a second.
    this.#absence = setTimeout(() => {
      state.toldAbsence = true;
      this.#context.status({ kind: "agent", online });
    }, NOTICED_AFTER_MS);
  }

  #control(message: Parameters<typeof encodeControl>[0]): void {
    this.#connection.send(encodeControl(message));
  }

  #sendAttach(): void {
    const { session, instance, output, hasPast } = this.#state;
    const { target, create = true, terminal, look = {}, command } = this.#context;
    const starts = create && instance === null && !(command && this.#state.asked);
    this.#state.asked = true;
    this.#control({
      type: "attach",
      channel: CHANNEL,
      session,
      create: starts,
      viewer: target.viewerId,
      zstd: true,
      ...(instance === null ? {} : { instance }),
      // Without one it is a new look: the first picture was cut off in the middle.
      ...(hasPast ? { cursor: output.cursor } : {}),
      ...terminal.size(),
      ...look,
      ...(this.#context.record ? { record: true } : {}),
      ...(command && starts ? { command: command.line, shown: command.shown } : {}),
    });
  }

  #attached({ info, starts, input, created, others = [], recorded = false }: Attached): void {
    const state = this.#state;
    const first = state.instance === null;
    if (!this.#isAttached) state.rights.attached();
    this.#isAttached = true;
    if (!first && info.instance !== state.instance) {
      return void this.#end.reject(sessionGone(state.journal.unapplied));
    }
    const { command } = this.#context;
    if (command && first && info.command !== command.shown) {
      this.#control({ type: "kill", session: info.instance });
      return void this.#end.reject(noTerminalCommands());
    }
    state.instance = info.instance;
    if (first) state.output.restart(starts[0]);
    if (created) state.hasPast = true;
    const line = lineOf(this.#connection);
    const lost = state.journal.attached(input, line);
    state.output.attached(line);
    if (lost > 0) this.#context.status({ kind: "input_lost", bytes: lost });
    const wasTold = this.#onAttached() || state.toldAbsence;
    state.toldAbsence = false;
    // What was told stood on the screen of a program that doesn't know of it.
    if (wasTold && this.#context.terminal.fullScreen) this.#redraw();
    if (first) {
      this.#sessionRows = info.rows;
      state.recorded = recorded;
      this.#tellFirst([recordedText(recorded, this.#context.record), othersText(others, Date.now())]);
    }
  }

  /** Before the first picture as `#tellOthers`, and then as it happens. */
  #rights(message: Extract<OwnerMessage, { type: "control" }>): void {
    const text = this.#state.rights.changed(message);
    if (!text) return;
    const { isHolder } = this.#state.rights;
    if (this.#state.hasPast) return void this.#context.status({ kind: "control", text, isHolder });
    this.#context.status({ kind: "others", text });
    this.#notes.push(text);
  }

  /** In front of the first picture, and, since that takes the place of everything, over a row of it. */
  #tellFirst(texts: readonly string[]): void {
    const text = texts.filter(Boolean).join("; ");
    if (!text) return;
    this.#notes.push(text);
    this.#context.status({ kind: "others", text });
  }

  #recorded(on: boolean): void {
    if (this.#state.recorded === on) return;
    this.#state.recorded = on;
    this.#context.status({ kind: "recorded", on });
  }

  #screenAnnounced(head: ScreenHead): void {
    this.#snapshot = new Snapshot(head);
    if (this.#snapshot.complete) this.#show(this.#snapshot);
  }

  /** In the place of everything that has not reached the screen yet. */
  #show(snapshot: Snapshot): void {
    const { terminal } = this.#context;
    const { sink, output } = this.#state;
    this.#snapshot = null;
    sink.clear();
    if (terminal.shown) {
      sink.push(Buffer.from(blankScreen(terminal.undo(), terminal.size()?.rows ?? 0)));
    }
    const { cols = 80, rows = 24 } = terminal.size() ?? {};
    const { skipped } = snapshot.head;
    const lines = terminal.shown
      ? [this.#notes.join("; "), skipped > 0 ? skippedText(skipped) : ""].filter(Boolean)
      : [];
    sink.push(snapshot.with(lines, cols, freeRow(snapshot.bytes, rows, this.#sessionRows)));
    output.restart(snapshot.head.offset);
    this.#state.hasPast = true;
    this.#notes = [];
    if (skipped > 0 && !terminal.shown) this.#context.status({ kind: "skipped", bytes: skipped });
  }

  #tellSkipped(bytes: number): void {
    if (!this.#context.terminal.shown) return void this.#context.status({ kind: "skipped", bytes });
    this.#state.sink.push(Buffer.from(marker(skippedText(bytes))));
  }

  #ended({ exit_code, signal }: Ended): void {
    this.#end.resolve({ kind: "ended", end: exitCodeOf({ exit_code, signal }) ?? ExitCode.ok });
  }

  #refused(refused: Refused): void {
    const { instance, journal, session } = this.#state;
    if (refused.code === "lost") return void this.#end.resolve({ kind: "lost", reason: refused.message });
    if (refused.code !== "gone") return void this.#end.reject(attachRefused(refused));
    this.#end.reject(instance === null ? unknownSession(session) : sessionGone(journal.unapplied));
  }

  #size({ cols, rows, by }: { cols: number; rows: number; by: string }): void {
    const own = this.#context.terminal.size();
    const state = this.#state;
    // The gateway's own is an echo, which may be older than our latest.
    if (!own || state.sizeTold || by === this.#context.target.viewerId || by === GATEWAY_VIEWER) return;
    if (own.cols === cols && own.rows === rows) return;
    state.sizeTold = true;
    this.#context.status({ kind: "size", cols, rows });
  }

  /** Makes a full-screen program draw itself anew: by one row less and back. */
  #redraw(): void {
    const size = this.#context.terminal.size();
    if (!size || size.rows < 2) return;
    this.resize({ cols: size.cols, rows: size.rows - 1 });
    this.resize(size);
  }
}

function skippedText(bytes: number): string {
  return `${counted(bytes, "byte")} of output ${bytes === 1 ? "was" : "were"} skipped here`;
}
