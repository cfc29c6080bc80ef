/** One shell: a PTY, what it printed and the server has not taken, and what it was sent and has not read. */

import { ByteRing } from "../lib/byte-ring.ts";
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import { OUTPUT_CHUNK_BYTES } from "../protocol/limits.ts";
import { encodeAgent } from "../protocol/v1.ts";
import { type Pty, PtyClosedError, type PtyExit } from "../pty/pty.ts";
import type { ByteBudget } from "./byte-budget.ts";
import type { Outbox, OutputSource } from "./outbox.ts";
import { OutputBuffer } from "./output-buffer.ts";

/** A reader of rexec.v2: it takes output from the ring at a place of its own. */
export interface RingReader {
  /** It has a say in the pace: the terminal waits for it. */
  readonly holds: boolean;
  /** It wants output before this offset. */
  readonly wants: number;
  /** There is more, or the end. */
  advance(): void;
}

/**
 * running: the shell runs. stopping: it was told to end. drained: it has ended and all its output was read; some may
 * not be sent yet. over: `shell_stopped` was handed to the line.
 */
export type SessionState = "running" | "stopping" | "drained" | "over";

/** Input that a session keeps while its program does not read, bytes. */
export const INPUT_BUFFER_BYTES = 8 * 1024 * 1024;
/** What one piece of input costs at least: the promise and the array around it. */
const INPUT_OVERHEAD = 256;

export interface SessionOptions {
  id: string;
  pty: Pty;
  /** What runs in it, for lists. */
  command: string;
  outbox: Outbox;
  budget: ByteBudget;
  /** Bytes of output kept while the server does not take them. */
  bufferBytes: number;
  /** Output that readers of rexec.v2 can come back to, bytes; 0 where the server speaks v1. */
  ringBytes: number;
  /** A v1 message asked for it: output goes out as `shell_output`. */
  v1: boolean;
  cols: number;
  rows: number;
  logger: Logger;
  /** Called once, when the shell has ended and v1 was told so where it has to be. */
  onOver(session: Session): void;
}

export class Session implements OutputSource {
  readonly id: string;
  readonly pid: number;
  readonly #options: SessionOptions;
  readonly #pty: Pty;
  /** Made at the start: the same name started again has another one. */
  readonly instance: string = crypto.randomUUID();
  readonly command: string;
  readonly startedAt = Date.now();
  readonly ring: ByteRing;
  readonly readers = new Set<RingReader>();
  cols: number;
  rows: number;
  lastOutputAt: number | null = null;
  endedAt: number | null = null;
  readonly #buffer = new OutputBuffer();
  #v1: boolean;
  /** Where v1 was left; null where it never was on. */
  #v1Left: number | null = null;
  readonly #ended = Promise.withResolvers<void>();
  #state: SessionState = "running";
  #exit: PtyExit | null = null;
  #wake: (() => void) | null = null;
  #waitsForBudget = false;
  #queuedInput = 0;
  #refusing = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.id = options.id;
    this.#pty = options.pty;
    this.pid = options.pty.pid;
    this.command = options.command;
    this.ring = new ByteRing(options.ringBytes);
    this.#v1 = options.v1;
    this.cols = options.cols;
    this.rows = options.rows;
    void this.#pump();
  }

  /** How the shell ended; null while it runs. */
  get exit(): PtyExit | null {
    return this.#exit;
  }

  get usesV1(): boolean {
    return this.#v1;
  }

  /** v1 asks for it (again): output goes out from where it was left, as far as the ring has it. */
  useV1(): void {
    if (this.#v1) return;
    this.#v1 = true;
    const from = Math.max(this.#v1Left ?? this.ring.end, this.ring.start);
    const missed = this.ring.read(from, this.#options.bufferBytes);
    if (missed.length === 0) return;
    this.#options.budget.take(missed.length);
    this.#buffer.push(missed);
    this.#options.outbox.ready(this);
  }

  /** A new connection has not asked for it over v1 yet. */
  leaveV1(): void {
    if (!this.#v1 || this.#state === "over") return;
    this.#v1 = false;
    this.#v1Left = this.ring.end - this.#buffer.length;
    this.#options.budget.give(this.#buffer.length);
    this.#buffer.clear();
    this.#options.outbox.forget(this);
    if (this.#state === "drained") this.#finish();
    this.#wakeUp();
  }

  /** A reader came, went, or wants more. */
  readersChanged(): void {
    if (this.#mayRead()) this.#wakeUp();
  }

  /** Input of a viewer of rexec.v2, which bounds it itself. Resolves when the program's terminal has it, or is gone. */
  async apply(data: Uint8Array): Promise<void> {
    if (this.#state !== "running" || data.length === 0) return;
    try {
      await this.#pty.write(data);
    } catch (error) {
      if (!(error instanceof PtyClosedError))
        this.#options.logger.warn(`session ${this.id}: input: ${messageOf(error)}`);
    }
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Settles when the shell has ended and its output was read. Never rejects. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Bytes; one more for the end of the session, which is a frame of its own. */
  get pending(): number {
    if (!this.#v1) return 0;
    if (this.#buffer.canTake(this.#isFinal)) return this.#buffer.length;
    return this.#state === "drained" ? 1 : 0;
  }

  takeFrame(): string | null {
    if (!this.#v1) return null;
    const bytes = this.#buffer.take(OUTPUT_CHUNK_BYTES, this.#isFinal);
    if (bytes.length > 0) {
      this.#options.budget.give(bytes.length);
      const frame = encodeAgent.shellOutput(this.id, bytes);
      this.#wakeUp();
      return frame;
    }
    if (this.#state !== "drained") return null;
    this.#finish();
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

  resize(cols: number, rows: number): void {
    this.cols = cols;
    this.rows = rows;
    this.#pty.resize(cols, rows);
  }

  /** Hangs up. Resolves when the shell is gone; what it printed is still sent, and `shell_stopped` after it. */
  async stop(graceMs: number): Promise<void> {
    if (this.#state === "running") this.#state = "stopping";
    this.#wakeUp();
    await this.#pty.close(graceMs);
    await this.ended;
  }

  // --- internal ---

  get #isFinal(): boolean {
    return this.#state === "drained";
  }

  /** Moves output from the PTY to the buffer, only as long as there is room: that is what stops a flooding program. */
  async #pump(): Promise<void> {
    try {
      for (;;) {
        if (!this.#mayRead()) await this.#room();
        const chunk = await this.#pty.read();
        if (chunk === null) break;
        this.lastOutputAt = Date.now();
        this.ring.append(chunk);
        if (this.#v1) {
          this.#options.budget.take(chunk.length);
          this.#buffer.push(chunk);
          if (this.#buffer.canTake(false)) this.#options.outbox.ready(this);
        }
        for (const reader of this.readers) reader.advance();
      }
    } catch (error) {
      if (!(error instanceof PtyClosedError)) {
        this.#options.logger.error(`session ${this.id}: reading its terminal failed: ${messageOf(error)}`);
        void this.#pty.close();
      }
    }
    this.#exit = await this.#pty.exited;
    this.#state = "drained";
    this.endedAt = Date.now();
    this.#ended.resolve();
    for (const reader of this.readers) reader.advance();
    if (this.#v1) this.#options.outbox.ready(this);
    else this.#finish();
  }

  #finish(): void {
    this.#state = "over";
    this.#options.onOver(this);
  }

  /**
   * v1 has room of its own, and of the common budget; one chunk is always allowed, so that nobody starves. Readers of
   * v2 have room below their limits. With nobody who holds, the shell runs freely into the ring.
   */
  #mayRead(): boolean {
    if (this.#state !== "running") return true;
    if (this.#v1) return this.#v1HasRoom();
    let held = false;
    for (const { holds, wants } of this.readers) {
      if (!holds) continue;
      if (wants > this.ring.end) return true;
      held = true;
    }
    return !held;
  }

  #v1HasRoom(): boolean {
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
