/** One shell: a PTY, what it printed and the server has not taken, and what it was sent and has not read. */
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import { OUTPUT_CHUNK_BYTES } from "../protocol/limits.ts";
import { encodeAgent } from "../protocol/v1.ts";
import { type Pty, PtyClosedError, type PtyExit } from "../pty/pty.ts";
import type { ByteBudget } from "./byte-budget.ts";
import type { Outbox, OutputSource } from "./outbox.ts";
import { OutputBuffer } from "./output-buffer.ts";

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
  outbox: Outbox;
  budget: ByteBudget;
  /** Bytes of output kept while the server does not take them. */
  bufferBytes: number;
  logger: Logger;
  /** Called once, when `shell_stopped` is on its way. */
  onOver(session: Session): void;
}

export class Session implements OutputSource {
  readonly id: string;
  readonly pid: number;
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

  constructor(options: SessionOptions) {
    this.#options = options;
    this.id = options.id;
    this.#pty = options.pty;
    this.pid = options.pty.pid;
    void this.#pump();
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
    this.#state = "over";
    this.#options.onOver(this);
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
        this.#options.budget.take(chunk.length);
        this.#buffer.push(chunk);
        if (this.#buffer.canTake(false)) this.#options.outbox.ready(this);
      }
    } catch (error) {
      if (!(error instanceof PtyClosedError)) {
        this.#options.logger.error(`session ${this.id}: reading its terminal failed: ${messageOf(error)}`);
        void this.#pty.close();
      }
    }
    this.#exit = await this.#pty.exited;
    this.#state = "drained";
    this.#ended.resolve();
    this.#options.outbox.ready(this);
  }

  /** Room of its own, and of the common budget; one chunk each is always allowed, so that nobody starves. */
  #mayRead(): boolean {
    if (this.#state !== "running" || this.#buffer.length < 4) return true;
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
