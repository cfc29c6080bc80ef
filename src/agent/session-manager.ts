/** The sessions of this machine: one shell per id. They know nothing of connections and outlive them. */
import { RexecError } from "../lib/errors.ts";
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
/** Ended sessions that can still be read over rexec.v2: how many, and for how long, ms. */
const MAX_ENDED = 16;
const ENDED_MS = 5 * 60_000;

export interface Size {
  cols: number;
  rows: number;
}

export interface SessionManagerOptions {
  outbox: Outbox;
  logger: Logger;
  /** Starts the configured shell; throws where it can't. */
  openShell(size: Size): Pty;
  /** Its path, for lists. */
  shell: string;
  maxSessions: number;
  /** Bytes of output kept per session, and for all of them. */
  sessionBuffer: number;
  memoryBudget: number;
  /** Bytes of output that rexec.v2 can come back to, of one session and of all. */
  ringSize: number;
  ringBudget: number;
}

export class SessionManager {
  readonly #options: SessionManagerOptions;
  readonly #budget: ByteBudget;
  readonly #sessions = new Map<string, Session>();
  readonly #earlySizes = new Map<string, Size>();
  /** Ended sessions that were asked for again before their last output was sent. */
  readonly #again = new Set<string>();
  /** By instance; the oldest first. */
  readonly #ended = new Map<string, Session>();
  #speaksV2 = false;
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

  /** A connection is there. Tells a server that may be a new one which sessions run, those that v1 asked for. */
  connected(protocol: "v1" | "v2"): void {
    this.#speaksV2 = protocol === "v2";
    this.#shareRings();
    for (const session of this.#sessions.values()) {
      // A gateway of ours asks again for those that its v1 viewers look at; the others would be sent twice.
      if (this.#speaksV2) session.leaveV1();
      else if (session.state === "running" && session.usesV1)
        this.#options.outbox.control(encodeAgent.shellStarted(session.id));
    }
  }

  /** `new_session` not true means the shared session, whatever the id says. */
  start(requested: string | undefined, isNew: boolean): void {
    const id = isNew && requested ? requested : MAIN_SESSION;
    const { outbox } = this.#options;
    const known = this.#sessions.get(id);
    if (known?.state === "running") {
      outbox.control(encodeAgent.shellStarted(id));
      known.useV1();
      return;
    }
    outbox.control(encodeAgent.shellStarting(id));
    if (known) this.#again.add(id);
    else this.#startForV1(id);
  }

  /** Those that run, then those that have ended and can still be read. */
  list(): Session[] {
    return [...this.#sessions.values(), ...this.#ended.values()];
  }

  /** The session of that name that runs. */
  running(id: string): Session | undefined {
    const session = this.#sessions.get(id);
    return session?.state === "running" ? session : undefined;
  }

  /** That very one, running or ended, or undefined where it is not known any more. */
  instance(instance: string): Session | undefined {
    return this.list().find((session) => session.instance === instance);
  }

  /** The last one of that name that ended. */
  lastEnded(id: string): Session | undefined {
    return [...this.#ended.values()].findLast((session) => session.id === id);
  }

  /** Starts a shell that no v1 server has asked for. @throws RexecError `too_many_sessions`, or what the PTY throws */
  open(id: string, size: Size): Session {
    const { maxSessions } = this.#options;
    if (this.#closed) throw new RexecError("the agent is stopping", { code: "failed" });
    if (this.#sessions.size >= maxSessions) throw tooMany(maxSessions);
    return this.#launch(id, size, false);
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

  #startForV1(id: string): void {
    const { maxSessions } = this.#options;
    if (this.#closed) {
      this.#refuse(id, "the agent is stopping");
      return;
    }
    if (this.#sessions.size >= maxSessions) {
      this.#refuse(id, tooMany(maxSessions).message);
      return;
    }
    const size = this.#earlySizes.get(id) ?? { cols: DEFAULT_COLS, rows: DEFAULT_ROWS };
    this.#earlySizes.delete(id);
    try {
      this.#launch(id, size, true);
    } catch (error) {
      this.#refuse(id, error instanceof Error ? error.message : String(error));
    }
  }

  #launch(id: string, size: Size, v1: boolean): Session {
    const { outbox, logger, openShell, sessionBuffer, shell } = this.#options;
    const pty = openShell(size);
    logger.info(`session ${id} started (pid ${pty.pid})`);
    // Before the session, so that no output can be ahead of it.
    if (v1) outbox.control(encodeAgent.shellStarted(id));
    const session = new Session({
      id,
      pty,
      command: shell,
      outbox,
      logger,
      budget: this.#budget,
      bufferBytes: sessionBuffer,
      ringBytes: 0,
      v1,
      ...size,
      onOver: (over) => this.#onOver(over),
    });
    this.#sessions.set(id, session);
    this.#shareRings();
    return session;
  }

  /** Each ring its share: nothing where the server speaks v1, which never comes back to what was sent. */
  #shareRings(): void {
    const { ringSize, ringBudget } = this.#options;
    const all = this.list();
    const share = this.#speaksV2 ? Math.min(ringSize, Math.floor(ringBudget / Math.max(1, all.length))) : 0;
    for (const session of all) session.ring.resize(share);
  }

  #onOver(session: Session): void {
    this.#options.logger.info(`session ${session.id} ended`);
    if (this.#sessions.get(session.id) === session) this.#sessions.delete(session.id);
    if (this.#speaksV2) this.#remember(session);
    // Not at once: `shell_stopped` is not on the line yet.
    if (this.#again.delete(session.id)) queueMicrotask(() => this.#startForV1(session.id));
  }

  #remember(session: Session): void {
    this.#ended.set(session.instance, session);
    setTimeout(() => this.#forget(session), ENDED_MS).unref();
    for (const oldest of this.#ended.values()) {
      if (this.#ended.size <= MAX_ENDED) break;
      this.#forget(oldest);
    }
    this.#shareRings();
  }

  #forget(session: Session): void {
    if (this.#ended.delete(session.instance)) this.#shareRings();
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

function tooMany(limit: number): RexecError {
  return new RexecError(`${limit} sessions run here already, which is the limit: end one first`, {
    code: "too_many_sessions",
  });
}
