/** The sessions of this machine: one shell per id. They know nothing of connections and outlive them. */
import type { Logger } from "../lib/log.ts";
import { MAIN_SESSION } from "../protocol/ids.ts";
import { DEFAULT_COLS, DEFAULT_ROWS, MAX_TERMINAL_SIDE } from "../protocol/limits.ts";
import { encodeAgent } from "../protocol/v1.ts";
import type { Pty } from "../pty/pty.ts";
import { ByteBudget } from "./byte-budget.ts";
import type { Outbox } from "./outbox.ts";
import { INPUT_BUFFER_BYTES, Session } from "./session.ts";

/** Milliseconds between a hang-up and SIGKILL. */
const GRACE_MS = 2_000;
/** Sizes that are remembered for sessions that have not started yet. */
const MAX_EARLY_SIZES = 64;

interface Size {
  cols: number;
  rows: number;
}

export interface SessionManagerOptions {
  outbox: Outbox;
  logger: Logger;
  /** Starts the configured shell; throws where it can't. */
  openShell(size: Size): Pty;
  maxSessions: number;
  /** Bytes of output kept per session, and for all of them. */
  sessionBuffer: number;
  memoryBudget: number;
}

export class SessionManager {
  readonly #options: SessionManagerOptions;
  readonly #budget: ByteBudget;
  readonly #sessions = new Map<string, Session>();
  readonly #earlySizes = new Map<string, Size>();
  /** Ended sessions that were asked for again before their last output was sent. */
  readonly #again = new Set<string>();
  #closed = false;

  constructor(options: SessionManagerOptions) {
    this.#options = options;
    this.#budget = new ByteBudget(options.memoryBudget);
  }

  /** Sessions, those included whose end the server has not heard of. */
  get count(): number {
    return this.#sessions.size;
  }

  /** Bytes of output that wait for the server. */
  get bufferedBytes(): number {
    return this.#budget.used;
  }

  /** Tells a server that may be a new one which sessions run. */
  announce(): void {
    for (const session of this.#sessions.values()) {
      if (session.state === "running") this.#options.outbox.control(encodeAgent.shellStarted(session.id));
    }
  }

  /** `new_session` not true means the shared session, whatever the id says. */
  start(requested: string | undefined, isNew: boolean): void {
    const id = isNew && requested ? requested : MAIN_SESSION;
    const { outbox } = this.#options;
    const known = this.#sessions.get(id);
    if (known?.state === "running") {
      outbox.control(encodeAgent.shellStarted(id));
      return;
    }
    outbox.control(encodeAgent.shellStarting(id));
    if (known) this.#again.add(id);
    else this.#open(id);
  }

  input(requested: string, data: Uint8Array): void {
    const id = requested || MAIN_SESSION;
    const session = this.#sessions.get(id);
    if (session?.state !== "running") {
      this.#refuse(id, "no such session is running");
      return;
    }
    if (session.write(data)) return;
    const limit = `${INPUT_BUFFER_BYTES / 1024 / 1024} MiB`;
    this.#refuse(id, `input refused: the program does not read, and ${limit} wait for it already`);
  }

  /** Nonsense is ignored with a warning; a size for a session that has not started yet is remembered. */
  resize(requested: string, cols: unknown, rows: unknown): void {
    const id = requested || MAIN_SESSION;
    if (!isSide(cols) || !isSide(rows)) {
      this.#options.logger.warn(`session ${id}: ignored a size of ${shown(cols)} x ${shown(rows)}`);
      return;
    }
    const session = this.#sessions.get(id);
    if (session?.state === "running") {
      session.resize(cols, rows);
      return;
    }
    if (this.#earlySizes.size < MAX_EARLY_SIZES || this.#earlySizes.has(id))
      this.#earlySizes.set(id, { cols, rows });
  }

  /** Ends one. */
  stop(id: string): void {
    this.#again.delete(id);
    void this.#sessions.get(id)?.stop(GRACE_MS);
  }

  /** Ends all. Resolves when every shell is gone. */
  async stopAll(graceMs = GRACE_MS): Promise<void> {
    this.#again.clear();
    this.#earlySizes.clear();
    await Promise.all([...this.#sessions.values()].map((session) => session.stop(graceMs)));
  }

  /** Ends all and takes no new ones. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.stopAll();
  }

  // --- internal ---

  #open(id: string): void {
    const { outbox, logger, openShell, maxSessions, sessionBuffer } = this.#options;
    if (this.#closed) {
      this.#refuse(id, "the agent is stopping");
      return;
    }
    if (this.#sessions.size >= maxSessions) {
      this.#refuse(id, `${maxSessions} sessions run here already, which is the limit: end one first`);
      return;
    }
    const size = this.#earlySizes.get(id) ?? { cols: DEFAULT_COLS, rows: DEFAULT_ROWS };
    this.#earlySizes.delete(id);
    let pty: Pty;
    try {
      pty = openShell(size);
    } catch (error) {
      this.#refuse(id, error instanceof Error ? error.message : String(error));
      return;
    }
    logger.info(`session ${id} started (pid ${pty.pid})`);
    const onOver = (session: Session) => this.#onOver(session);
    const options = { id, pty, outbox, budget: this.#budget, bufferBytes: sessionBuffer, logger, onOver };
    // Before the session, so that no output can be ahead of it.
    outbox.control(encodeAgent.shellStarted(id));
    this.#sessions.set(id, new Session(options));
  }

  #onOver(session: Session): void {
    this.#options.logger.info(`session ${session.id} ended`);
    this.#sessions.delete(session.id);
    // Not at once: `shell_stopped` is not on the line yet.
    if (this.#again.delete(session.id)) queueMicrotask(() => this.#open(session.id));
  }

  #refuse(id: string, why: string): void {
    this.#options.logger.warn(`session ${id}: ${why}`);
    this.#options.outbox.control(encodeAgent.shellError(id, why));
  }
}

function isSide(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= MAX_TERMINAL_SIDE;
}

function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : typeof value;
}
