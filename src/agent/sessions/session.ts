/**
 * One shell: a PTY, the last of what it printed, and what it was sent and has not read. Its output is read by servers
 * of rexec.v1 (the buffer, which holds what the server has not taken) and of rexec.v2 (the ring), at the pace of
 * whoever wants more.
 */

import { messageOf } from "../../lib/errors.ts";
import type { FrameSource } from "../../link/sender.ts";
import { encodeAgent } from "../../protocol/v1.ts";
import type { SessionInfo } from "../../protocol/v2/control.ts";
import { type Pty, PtyClosedError, type PtyExit } from "../../pty/pty.ts";
import type { ByteRing } from "../../stream/byte-ring.ts";
import type { KeptSession, SavedSession } from "../restart/schema.ts";
import { V1Feed } from "../v1/feed.ts";
import type { InputStream, InputStreams } from "./input-streams.ts";
import { Pace } from "./pace.ts";
import { SessionInput } from "./session-input.ts";
import type { RevivedSession, SessionOptions } from "./session-options.ts";
import { farewell } from "./session-text.ts";

/**
 * running: the shell runs. stopping: it was told to end. drained: it has ended and all its output was read; some may
 * not be sent yet. over: `shell_stopped` was handed to the line, where a server of rexec.v1 was to be told.
 */
export type SessionState = "running" | "stopping" | "drained" | "over";

export class Session implements FrameSource {
  readonly id: string;
  readonly pid: number;
  /** A UUID: the same name started again has another one. */
  readonly instance: string;
  readonly ring: ByteRing;
  readonly pace: Pace;
  /** When something was last typed or printed, or it was started; performance.now(). */
  activeAt = performance.now();
  /** When somebody was last seen to look at it; performance.now(). */
  watchedAt = performance.now();
  /** Attachments that only type. @transient viewers attach again */
  inputChannels = 0;
  readonly #options: SessionOptions<Session>;
  readonly #pty: Pty | null;
  readonly #input: SessionInput;
  readonly #v1: V1Feed;
  /** @transient settled again where the state says so */
  readonly #ended = Promise.withResolvers<void>();
  /** @transient the reading loop starts anew */
  #wake: (() => void) | null = null;
  /** @transient the reading loop starts anew */
  #waitsForBudget = false;
  /** All of its own state, which survives a restart in place as it is. */
  readonly #kept: KeptSession;

  constructor(options: SessionOptions<Session>) {
    this.#options = options;
    this.id = options.id;
    this.ring = options.ring;
    this.pace = new Pace(options.ring, options.holdMs, () => this.#wakeUp());
    this.#pty = options.pty;
    this.pid = options.pty?.pid ?? 0;
    this.#v1 = new V1Feed(options.budget, options.bufferBytes, () => this.#isReadyForV1());
    this.#input = new SessionInput(options.pty, options.id, options.logger);
    this.#kept = options.saved ? this.#restore(options.saved) : begun(options);
    this.instance = this.#kept.instance;
    if (!this.#isFinal) void this.#pump();
    else this.#ended.resolve();
    if (this.pending > 0) options.sender.ready(this);
  }

  get typing(): InputStreams {
    return this.#input.typing;
  }

  /** Its terminal; null where it has ended. */
  get pty(): Pty | null {
    return this.#isFinal ? null : this.#pty;
  }

  get state(): SessionState {
    return this.#kept.state;
  }

  /** How it ended; null before all its output was read. */
  get end(): PtyExit | null {
    return this.#isFinal ? this.#kept.exit : null;
  }

  /** Somebody looks at it by rexec.v2. */
  get isWatched(): boolean {
    return this.inputChannels > 0 || this.pace.isHeld;
  }

  /** A server of rexec.v1 is told all. */
  get isForV1(): boolean {
    return this.#v1.isOn;
  }

  get info(): SessionInfo {
    const { command, startedAt, lastOutputAt, endedAt, cols, rows } = this.#kept;
    return {
      session: this.id,
      instance: this.instance,
      kind: "shell",
      command,
      started_at: startedAt,
      last_output_at: lastOutputAt,
      ended_at: endedAt,
      exit_code: this.end?.exitCode ?? null,
      signal: this.end?.signal ?? null,
      bytes: this.ring.end,
      cols,
      rows,
      viewers: 0,
    };
  }

  /** From now on a server of rexec.v1 gets all output, beginning with what was printed last. */
  serveV1(): void {
    if (this.#v1.isOn || this.state === "over") return;
    this.#v1.begin(this.ring);
    this.#isReadyForV1();
  }

  /** Another server. @param isHeld one of rexec.v1, which is told nothing before it names the session */
  serverConnects(isHeld: boolean): void {
    this.#v1.connect(isHeld);
  }

  /** A server of rexec.v1 named it. */
  named(): void {
    this.#v1.name(this.ring);
    this.#isReadyForV1();
  }

  /** Whether anybody takes what a server of rexec.v1 gets; they hear later what they missed, or how much it was. */
  wantV1(wanted: boolean): void {
    this.#v1.want(wanted, this.ring);
    this.#isReadyForV1();
  }

  /** Settles when the shell has ended and its output was read. Never rejects. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Bytes; one more for the end of the session, which is a frame of its own. */
  get pending(): number {
    if (this.#v1.isHeld) return 0;
    return this.#v1.pending(this.#isFinal) || (this.state === "drained" ? 1 : 0);
  }

  takeFrame(): string | null {
    const bytes = this.#v1.take(this.#isFinal);
    if (bytes.length > 0) {
      const frame = encodeAgent.shellOutput(this.id, bytes);
      this.#wakeUp();
      return frame;
    }
    if (this.state !== "drained" || this.#v1.isHeld) return null;
    this.#isOver();
    const { exit } = this.#kept;
    return encodeAgent.shellStopped(this.id, {
      exit_code: exit?.exitCode ?? null,
      signal: exit?.signal ?? null,
    });
  }

  /**
   * Input for the shell.
   * @returns false where it was refused: the shell does not read, and as much as is kept waits for it already
   */
  write(data: Uint8Array): boolean {
    this.activeAt = performance.now();
    if (this.state !== "running" || data.length === 0) return this.state === "running";
    return this.#input.write(data);
  }

  /**
   * Input of a viewer by rexec.v2.
   * @returns false where it breaks the order, or is more than the viewer had leave for
   */
  typeIn(typing: InputStream, offset: number, bytes: Uint8Array): boolean {
    const fresh = typing.accept(offset, bytes);
    if (!fresh) return false;
    this.activeAt = performance.now();
    if (fresh.length > 0 && this.state === "running") this.#input.type(typing, fresh);
    else typing.written(fresh.length);
    return true;
  }

  /** Text of ours, for whoever looks; the shell knows nothing of it. */
  show(text: string): void {
    this.#keep(Buffer.from(text));
  }

  resize(cols: number, rows: number): void {
    Object.assign(this.#kept, { cols, rows });
    this.#pty?.resize(cols, rows);
  }

  /**
   * Hangs up. Resolves when the shell is gone; what it printed is still sent, and `shell_stopped` after it.
   * @param why for whoever looks, behind all of that
   */
  async stop(graceMs: number, why?: string): Promise<void> {
    if (this.state === "running") {
      this.#kept.state = "stopping";
      if (why !== undefined) this.#kept.farewell = farewell(why);
    }
    this.#wakeUp();
    await this.#pty?.close(graceMs);
    await this.ended;
  }

  /** For another program image of this process; its terminal is frozen and drained. */
  save(): SavedSession {
    this.#v1.want(true, this.ring);
    const pty = this.pty?.state() ?? null;
    const now = performance.now();
    return {
      ...this.#kept,
      pty,
      idleMs: now - this.activeAt,
      unwatchedMs: now - this.watchedAt,
      ring: { start: this.ring.start, parts: this.ring.parts() },
      left: this.pace.left,
      ...this.#v1.save(),
      ...this.#input.save(pty?.unwritten ?? []),
    };
  }

  // --- internal ---

  #restore(saved: RevivedSession): KeptSession {
    const { idleMs, unwatchedMs, left, isForV1, buffer, viewers, input, refusesInput, ...kept } = saved;
    const now = performance.now();
    this.activeAt = now - idleMs;
    this.watchedAt = now - unwatchedMs;
    this.#v1.restore({ isForV1, buffer });
    if (left) this.pace.hold(left);
    this.#input.restore({ viewers, input, refusesInput });
    return kept;
  }

  get #isFinal(): boolean {
    return this.state === "drained" || this.state === "over";
  }

  #isReadyForV1(): void {
    if (this.pending > 0) this.#options.sender.ready(this);
    this.#wakeUp();
  }

  #isOver(): void {
    this.#kept.state = "over";
    this.#options.onOver(this);
  }

  /** Moves output from the PTY to the buffer, only as long as there is room: that is what stops a flooding program. */
  async #pump(): Promise<void> {
    const pty = this.#pty;
    try {
      for (;;) {
        if (this.#kept.pendingChunk.length > 0) await this.#keepPieces();
        if (!this.#mayRead()) await this.#room();
        const chunk = await pty?.read(true);
        if (!chunk) break;
        if (chunk.length <= this.#freeRoom) this.#keep(chunk);
        else this.#kept.pendingChunk = chunk;
      }
    } catch (error) {
      if (!(error instanceof PtyClosedError)) {
        this.#options.logger.error(`session ${this.id}: reading its terminal failed: ${messageOf(error)}`);
        void pty?.close();
      }
    }
    this.#kept.exit = (await pty?.exited) ?? null;
    this.show(this.#kept.farewell);
    this.#v1.want(true, this.ring);
    this.#kept.state = "drained";
    this.#kept.endedAt = Date.now();
    this.#ended.resolve();
    this.pace.advance();
    if (!this.#v1.isOn) this.#isOver();
    else if (this.pending > 0) this.#options.sender.ready(this);
  }

  /** A chunk may be larger than what the ring has room for: nothing is overwritten that somebody waits for. */
  async #keepPieces(): Promise<void> {
    const kept = this.#kept;
    while (kept.pendingChunk.length > 0) {
      const piece = kept.pendingChunk.subarray(0, this.#freeRoom);
      kept.pendingChunk = kept.pendingChunk.subarray(piece.length);
      this.#keep(piece);
      if (kept.pendingChunk.length > 0) await this.#room();
    }
  }

  get #freeRoom(): number {
    const free = this.state !== "running" || this.#v1.wantsMore;
    return free ? Number.POSITIVE_INFINITY : this.pace.room;
  }

  #keep(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#kept.lastOutputAt = Date.now();
    this.activeAt = performance.now();
    this.ring.append(chunk);
    this.pace.advance();
    if (this.#v1.isOn && this.#v1.push(chunk.slice(), this.pace.isHeld)) this.#options.sender.ready(this);
  }

  #mayRead(): boolean {
    if (this.state !== "running") return true;
    const { pace } = this;
    if (pace.isHeld) return pace.wantsMore || this.#v1.wantsMore;
    return !this.#v1.isWanted || this.#v1.wantsMore;
  }

  async #room(): Promise<void> {
    while (!this.#mayRead()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      if (!this.#options.budget.hasRoom && !this.#waitsForBudget) {
        this.#waitsForBudget = true;
        this.#options.budget.onRoom(() => {
          this.#waitsForBudget = false;
          this.#wakeUp();
        });
      }
      await promise;
    }
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

// --- internal ---

function begun({ id, command, size }: SessionOptions<Session>): Required<KeptSession> {
  const times = { startedAt: Date.now(), lastOutputAt: null, endedAt: null };
  const rest = { exit: null, pendingChunk: new Uint8Array(0), farewell: "" };
  return { id, instance: crypto.randomUUID(), command, state: "running", ...size, ...times, ...rest };
}
