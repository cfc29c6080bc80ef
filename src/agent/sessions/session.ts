/**
 * One shell: a PTY, the last of what it printed, and what it was sent and has not read. Its output is read from the ring,
 * at the pace of the reader that wants most.
 */

import { messageOf } from "../../lib/errors.ts";
import type { SessionInfo } from "../../protocol/v2/control.ts";
import { type Pty, PtyClosedError, type PtyExit } from "../../pty/pty.ts";
import type { ByteRing } from "../../stream/byte-ring.ts";
import type { KeptSession, SavedSession } from "../restart/schema.ts";
import type { SessionFollower } from "./follower.ts";
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

/** Owned by `SessionManager`; it outlives connections. Readers of its output join its pace. */
export class Session {
  readonly id: string;
  readonly pid: number;
  /** A UUID: the same name started again has another one. */
  readonly instance: string;
  readonly ring: ByteRing;
  readonly pace: Pace;
  /** When something was last typed or printed, or it was started; performance.now(). */
  activeAt = performance.now();
  /** When a viewer was last seen; performance.now(). */
  watchedAt = performance.now();
  /** Attachments that only type. @transient viewers attach again */
  inputChannels = 0;
  readonly #options: SessionOptions<Session>;
  readonly #pty: Pty | null;
  readonly #input: SessionInput;
  readonly #follower: SessionFollower;
  /** @transient settled again where the state says so */
  readonly #ended = Promise.withResolvers<void>();
  /** @transient the reading loop starts anew */
  #wake: (() => void) | null = null;
  /** All of its own state, which survives a restart in place as it is. */
  readonly #kept: KeptSession;

  constructor(options: SessionOptions<Session>) {
    this.#options = options;
    this.id = options.id;
    this.ring = options.ring;
    this.pace = new Pace(options.ring, options.viewerGraceMs, () => this.#wakeUp());
    this.#pty = options.pty;
    this.pid = options.pty?.pid ?? 0;
    this.#follower = options.follow(this);
    this.#input = new SessionInput(options.pty, options.id, options.logger);
    this.#kept = options.saved ? this.#restore(options.saved) : begun(options);
    this.instance = this.#kept.instance;
    if (options.saved) this.#follower.restore(options.saved);
    this.pace.join(this.#follower);
    if (options.saved?.left) this.pace.hold(options.saved.left);
    if (!this.hasEnded) void this.#pump();
    else this.#ended.resolve();
  }

  get typing(): InputStreams {
    return this.#input.typing;
  }

  /** Its terminal; null where it has ended. */
  get pty(): Pty | null {
    return this.hasEnded ? null : this.#pty;
  }

  get state(): SessionState {
    return this.#kept.state;
  }

  /** How it ended; null before all its output was read. */
  get end(): PtyExit | null {
    return this.hasEnded ? this.#kept.exit : null;
  }

  /** All its output was read. */
  get hasEnded(): boolean {
    return this.state === "drained" || this.state === "over";
  }

  /** A viewer looks at it. */
  get isWatched(): boolean {
    return this.inputChannels > 0 || this.pace.isWatched;
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

  /** Settles when the shell has ended and its output was read. Never rejects. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Its follower was told of the end: its name is free. */
  release(): void {
    this.#kept.state = "over";
    this.#options.onOver(this);
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

  /** A text of the agent, for its viewers; the shell knows nothing of it. */
  show(text: string): void {
    this.#keep(Buffer.from(text));
  }

  resize(cols: number, rows: number): void {
    Object.assign(this.#kept, { cols, rows });
    this.#pty?.resize(cols, rows);
  }

  /**
   * Hangs up. Resolves when the shell is gone; what it printed is still sent, and `shell_stopped` after it.
   * @param why shown to viewers behind all of that
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
    const pty = this.pty?.state() ?? null;
    const now = performance.now();
    return {
      ...this.#kept,
      pty,
      idleMs: now - this.activeAt,
      unwatchedMs: now - this.watchedAt,
      ring: { start: this.ring.start, parts: this.ring.parts() },
      left: this.pace.left,
      ...this.#follower.save(),
      ...this.#input.save(pty?.unwritten ?? []),
    };
  }

  // --- internal ---

  #restore(saved: RevivedSession): KeptSession {
    const { idleMs, unwatchedMs, left, isForV1, buffer, viewers, input, refusesInput, ...kept } = saved;
    const now = performance.now();
    this.activeAt = now - idleMs;
    this.watchedAt = now - unwatchedMs;
    this.#input.restore({ viewers, input, refusesInput });
    return kept;
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
    this.#kept.state = "drained";
    this.#kept.endedAt = Date.now();
    this.#ended.resolve();
    this.pace.advance();
    if (!this.#follower.isOwed) this.release();
  }

  /** A chunk may be larger than what the ring has room for: nothing is overwritten that a reader waits for. */
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
    const { capacity } = this.ring;
    return this.state === "running" ? Math.min(capacity, this.pace.room) : capacity;
  }

  #keep(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#kept.lastOutputAt = Date.now();
    this.activeAt = performance.now();
    this.ring.append(chunk);
    this.pace.advance();
  }

  #mayRead(): boolean {
    return this.state !== "running" || !this.pace.isHeld || this.pace.wantsMore;
  }

  async #room(): Promise<void> {
    while (!this.#mayRead()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
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
