/**
 * One shell: a PTY, the last of what it printed, and what it was sent and has not read. Its output is read by servers
 * of rexec.v1 (the buffer, which holds what the server has not taken) and of rexec.v2 (the ring), at the pace of
 * whoever wants more.
 */
import type { ByteRing } from "../lib/byte-ring.ts";
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import { OUTPUT_CHUNK_BYTES } from "../protocol/limits.ts";
import { encodeAgent } from "../protocol/v1.ts";
import type { SessionInfo } from "../protocol/v2/control.ts";
import { type Pty, PtyClosedError, type PtyExit } from "../pty/pty.ts";
import type { ByteBudget } from "./byte-budget.ts";
import type { Outbox, OutputSource } from "./outbox.ts";
import { OutputBuffer } from "./output-buffer.ts";
import { farewell, recentLines } from "./session-text.ts";
import { Pace } from "./v2/pace.ts";
import { Typing, type ViewerTyping } from "./v2/typing.ts";

/**
 * running: the shell runs. stopping: it was told to end. drained: it has ended and all its output was read; some may
 * not be sent yet. over: `shell_stopped` was handed to the line, where a server of rexec.v1 was to be told.
 */
export type SessionState = "running" | "stopping" | "drained" | "over";

/** Input that a session keeps while its program does not read, bytes. */
export const INPUT_BUFFER_BYTES = 8 * 1024 * 1024;
/** What one piece of input costs at least: the promise and the array around it. */
const INPUT_OVERHEAD = 256;

export interface SessionOptions {
  id: string;
  pty: Pty;
  /** What was started, for lists. */
  command: string;
  size: { cols: number; rows: number };
  ring: ByteRing;
  /** How long what was asked for over a lost connection stands, ms. */
  holdMs: number;
  outbox: Outbox;
  budget: ByteBudget;
  /** Bytes of output kept while the server does not take them. */
  bufferBytes: number;
  logger: Logger;
  /** Called once, when the session is over. */
  onOver(session: Session): void;
}

export class Session implements OutputSource {
  readonly id: string;
  readonly pid: number;
  /** A UUID: the same name started again has another one. */
  readonly instance = crypto.randomUUID();
  readonly ring: ByteRing;
  readonly pace: Pace;
  readonly typing = new Typing();
  /** When something was last typed or printed, or it was started; performance.now(). */
  activeAt = performance.now();
  /** When somebody was last seen to look at it; performance.now(). */
  watchedAt = performance.now();
  /** Attachments that only type. */
  typists = 0;
  readonly #options: SessionOptions;
  readonly #pty: Pty;
  readonly #buffer = new OutputBuffer();
  readonly #ended = Promise.withResolvers<void>();
  #state: SessionState = "running";
  #exit: PtyExit | null = null;
  #wake: (() => void) | null = null;
  #waitsForBudget = false;
  #queuedInput = 0;
  #refusing = false;
  /** A server of rexec.v1 wants all output. */
  #forV1 = false;
  #size: { cols: number; rows: number };
  readonly #startedAt = Date.now();
  #lastOutputAt: number | null = null;
  #endedAt: number | null = null;
  /** Said behind its last output: why it was ended. */
  #farewell = "";

  constructor(options: SessionOptions) {
    this.#options = options;
    this.id = options.id;
    this.ring = options.ring;
    this.#size = { ...options.size };
    this.pace = new Pace(options.ring, options.holdMs, () => this.#wakeUp());
    this.#pty = options.pty;
    this.pid = options.pty.pid;
    void this.#pump();
  }

  get state(): SessionState {
    return this.#state;
  }

  /** How it ended; null before all its output was read. */
  get end(): PtyExit | null {
    return this.#isFinal ? this.#exit : null;
  }

  /** Somebody looks at it by rexec.v2. */
  get isWatched(): boolean {
    return this.typists > 0 || this.pace.isHeld;
  }

  /** A server of rexec.v1 is told all. */
  get isForV1(): boolean {
    return this.#forV1;
  }

  get info(): SessionInfo {
    return {
      session: this.id,
      instance: this.instance,
      kind: "shell",
      command: this.#options.command,
      started_at: this.#startedAt,
      last_output_at: this.#lastOutputAt,
      ended_at: this.#endedAt,
      exit_code: this.end?.exitCode ?? null,
      signal: this.end?.signal ?? null,
      bytes: this.ring.end,
      ...this.#size,
      viewers: 0,
    };
  }

  /** From now on a server of rexec.v1 gets all output, beginning with what was printed last. */
  serveV1(): void {
    if (this.#forV1 || this.#state === "over") return;
    this.#forV1 = true;
    const recent = recentLines(this.ring);
    if (recent.length === 0) return;
    this.#options.budget.take(recent.length);
    this.#buffer.push(recent);
    if (this.pending > 0) this.#options.outbox.ready(this);
  }

  /** Settles when the shell has ended and its output was read. Never rejects. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Bytes; one more for the end of the session, which is a frame of its own. */
  get pending(): number {
    if (this.#buffer.canTake(this.#isFinal)) return this.#buffer.length;
    return this.#state === "drained" ? 1 : 0;
  }

  takeFrame(): string | null {
    const bytes = this.#buffer.take(OUTPUT_CHUNK_BYTES, this.#isFinal);
    if (bytes.length > 0) {
      this.#options.budget.give(bytes.length);
      const frame = encodeAgent.shellOutput(this.id, bytes);
      this.#wakeUp();
      return frame;
    }
    if (this.#state !== "drained") return null;
    this.#isOver();
    const exit = this.#exit;
    return encodeAgent.shellStopped(this.id, {
      exit_code: exit?.exitCode ?? null,
      signal: exit?.signal ?? null,
    });
  }

  /**
   * Input for the shell. What it does not read is kept up to `INPUT_BUFFER_BYTES`; beyond that the rest is refused
   * until all that was kept has been read, so that a paste has one end and no hole.
   * @returns false where the input was refused
   */
  write(data: Uint8Array): boolean {
    this.activeAt = performance.now();
    if (this.#state !== "running" || data.length === 0) return this.#state === "running";
    const cost = data.length + INPUT_OVERHEAD;
    if (this.#refusing || this.#queuedInput + cost > INPUT_BUFFER_BYTES) {
      this.#refusing = this.#queuedInput > 0;
      return false;
    }
    this.#queuedInput += cost;
    const settle = () => {
      this.#queuedInput -= cost;
      if (this.#queuedInput === 0) this.#refusing = false;
    };
    this.#pty.write(data).then(settle, (error) => {
      settle();
      if (!(error instanceof PtyClosedError))
        this.#options.logger.warn(`session ${this.id}: input: ${messageOf(error)}`);
    });
    return true;
  }

  /**
   * Input of a viewer by rexec.v2.
   * @returns false where it breaks the order, or is more than the viewer had leave for
   */
  typeIn(typing: ViewerTyping, offset: number, bytes: Uint8Array): boolean {
    const fresh = typing.accept(offset, bytes);
    if (!fresh) return false;
    this.activeAt = performance.now();
    const settle = () => typing.written(fresh.length);
    if (fresh.length === 0 || this.#state !== "running") settle();
    else this.#pty.write(fresh).then(settle, settle);
    return true;
  }

  /** Text of ours, for whoever looks; the shell knows nothing of it. */
  show(text: string): void {
    this.#keep(Buffer.from(text));
  }

  resize(cols: number, rows: number): void {
    this.#size = { cols, rows };
    this.#pty.resize(cols, rows);
  }

  /**
   * Hangs up. Resolves when the shell is gone; what it printed is still sent, and `shell_stopped` after it.
   * @param why for whoever looks, behind all of that
   */
  async stop(graceMs: number, why?: string): Promise<void> {
    if (this.#state === "running") {
      this.#state = "stopping";
      if (why !== undefined) this.#farewell = farewell(why);
    }
    this.#wakeUp();
    await this.#pty.close(graceMs);
    await this.ended;
  }

  // --- internal ---

  get #isFinal(): boolean {
    return this.#state === "drained" || this.#state === "over";
  }

  #isOver(): void {
    this.#state = "over";
    this.#options.onOver(this);
  }

  /** Moves output from the PTY to the buffer, only as long as there is room: that is what stops a flooding program. */
  async #pump(): Promise<void> {
    try {
      for (;;) {
        if (!this.#mayRead()) await this.#room();
        const chunk = await this.#pty.read();
        if (chunk === null) break;
        if (chunk.length <= this.#freeRoom) this.#keep(chunk);
        else await this.#keepPieces(chunk);
      }
    } catch (error) {
      if (!(error instanceof PtyClosedError)) {
        this.#options.logger.error(`session ${this.id}: reading its terminal failed: ${messageOf(error)}`);
        void this.#pty.close();
      }
    }
    this.#exit = await this.#pty.exited;
    this.show(this.#farewell);
    this.#state = "drained";
    this.#endedAt = Date.now();
    this.#ended.resolve();
    this.pace.advance();
    if (this.#forV1) this.#options.outbox.ready(this);
    else this.#isOver();
  }

  /** A chunk may be larger than what the ring has room for: nothing is overwritten that somebody waits for. */
  async #keepPieces(chunk: Uint8Array): Promise<void> {
    let rest = chunk;
    for (;;) {
      const room = this.#freeRoom;
      if (rest.length <= room) break;
      this.#keep(rest.subarray(0, room));
      rest = rest.subarray(room);
      await this.#room();
    }
    this.#keep(rest);
  }

  get #freeRoom(): number {
    const free = this.#state !== "running" || (this.#forV1 && this.#v1WantsMore);
    return free ? Number.POSITIVE_INFINITY : this.pace.room;
  }

  #keep(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#lastOutputAt = Date.now();
    this.activeAt = performance.now();
    this.ring.append(chunk);
    this.pace.advance();
    if (!this.#forV1) return;
    const { budget, bufferBytes, outbox } = this.#options;
    // Read on for a faster reader, while this one's server takes nothing.
    if (this.pace.isHeld && this.#buffer.length + chunk.length > 2 * bufferBytes) this.#skip();
    budget.take(chunk.length);
    this.#buffer.push(chunk);
    if (this.#buffer.canTake(false)) outbox.ready(this);
  }

  /** What waits for a server of rexec.v1 gives way to word of how much it was. */
  #skip(): void {
    const lost = this.#buffer.length;
    this.#options.budget.give(lost);
    this.#buffer.clear();
    const marker = Buffer.from(
      `\x18\x1b[0m\r\n[rexec: ${lost} bytes of output skipped, this connection is too slow]\r\n`,
    );
    this.#options.budget.take(marker.length);
    this.#buffer.push(marker);
  }

  /** Room of its own, and of the common budget; one chunk each is always allowed, so that nobody starves. */
  #mayRead(): boolean {
    if (this.#state !== "running") return true;
    const { pace } = this;
    if (pace.isHeld) return pace.wantsMore || (this.#forV1 && this.#v1WantsMore);
    return !this.#forV1 || this.#v1WantsMore;
  }

  get #v1WantsMore(): boolean {
    if (this.#buffer.length < 4) return true;
    return this.#buffer.length < this.#options.bufferBytes && this.#options.budget.hasRoom;
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
