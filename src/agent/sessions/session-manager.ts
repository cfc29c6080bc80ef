/** The sessions of this machine: one shell per id. They know nothing of connections and outlive them. */

import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { DEFAULT_COLS, DEFAULT_ROWS } from "../../protocol/limits.ts";
import { type SessionInfo, SHOWN_CHARS } from "../../protocol/v2/control.ts";
import { AdoptedPty } from "../../pty/adopted.ts";
import type { Pty } from "../../pty/pty.ts";
import type { ByteRing } from "../../stream/byte-ring.ts";
import type { SavedSession, SavedSessions } from "../restart/schema.ts";
import { Ended } from "./ended.ts";
import type { SessionFollower } from "./follower.ts";
import { Refusal } from "./refusal.ts";
import { RingPool, type RingSizes } from "./rings.ts";
import { Session } from "./session.ts";
import type { SessionOptions } from "./session-options.ts";
import type { SessionRequest, ShellWish } from "./session-request.ts";
import type { Size } from "./session-size.ts";

/** Milliseconds between a hang-up and SIGKILL. */
const GRACE_MS = 2_000;
/** Sizes that are remembered for sessions that have not started yet. */
const MAX_EARLY_SIZES = 64;

/** What sessions are made with. */
export interface SessionManagerOptions {
  logger: Logger;
  /** A reader that each session has from its start. */
  follow(session: Session): SessionFollower;
  /** A session that was asked for again is over: its name is free. */
  onAgain(id: string): void;
  /** Starts the configured shell; throws where it can't. @param terminal for which it is started, where that is known */
  openShell(size: Size, wish: ShellWish): Pty;
  /** A line of ours that each session begins with. */
  greeting?(): string | undefined;
  maxSessions: number;
  /** What runs in a session, for lists. */
  shell: string;
  rings: RingSizes;
  /** How long what was asked for over a lost connection stands, ms. */
  viewerGraceMs: number;
}

/** A session that is to be started. */
type NewSession = Pick<SessionRequest, "session" | "cols" | "rows"> & ShellWish;

/** All shells of the agent, running or ended a while ago. Owned by the agent. */
export class SessionManager {
  readonly #options: SessionManagerOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #earlySizes = new Map<string, Size>();
  /** Ended sessions that were asked for again before their last output was sent. */
  readonly #again = new Set<string>();
  readonly #rings: RingPool;
  readonly #ended: Ended;
  /** @transient an agent that stops does not restart */
  #closed = false;
  #started = 0;

  constructor(options: SessionManagerOptions) {
    this.#options = options;
    this.#rings = new RingPool(options.rings);
    this.#ended = new Ended((session) => this.#rings.close(session.ring));
  }

  /** Sessions, those included whose end the server has not heard of. */
  get count(): number {
    return this.#sessions.size;
  }

  /** Sessions that were ever started. */
  get started(): number {
    return this.#started;
  }

  /** Shows a line in all that run. */
  tell(line: string): void {
    for (const session of this.running()) session.show(`\r\n${line}\r\n`);
  }

  /** There is a server that resumes. */
  serveV2(): void {
    this.#rings.serveV2();
  }

  /** The session of that name that is not over. */
  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  /** All that are not over. */
  get all(): Session[] {
    return [...this.#sessions.values()];
  }

  running(): Session[] {
    return [...this.#sessions.values()].filter(({ state }) => state === "running");
  }

  /** All that run, and those that ended and can still be read. */
  infos(): SessionInfo[] {
    return [...this.#sessions.values(), ...this.#ended.sessions].map(({ info }) => info);
  }

  /**
   * The session that an opener of rexec.v2 asks for; started where it may be.
   * @throws Refusal
   */
  find({ session: id, instance, create, cols, rows, ...wish }: SessionRequest): {
    session: Session;
    created: boolean;
  } {
    const known = this.#sessions.get(id);
    if (instance !== undefined) {
      const running = [...this.#sessions.values()].find((one) => one.instance === instance);
      const session = running ?? this.#ended.byInstance(instance);
      if (!session)
        throw new Refusal("gone", `session ${id} is gone: it ended, or its agent was started anew`);
      return { session, created: false };
    }
    if (known && known.end === null) return { session: known, created: false };
    if (create) {
      // One whose end its follower has yet to tell does so without its name.
      if (known) this.#bury(known);
      return { session: this.open({ session: id, cols, rows, ...wish }), created: true };
    }
    const session = known ?? this.#ended.byName(id);
    if (!session) throw new Refusal("gone", `no session ${id} runs here`);
    return { session, created: false };
  }

  /**
   * Starts a session.
   * @param onStart called before anything is read of it
   * @throws Refusal, or what the PTY throws where it can't be started
   */
  open({ session: id, cols, rows, ...wish }: NewSession, onStart: () => void = () => {}): Session {
    const early = this.#earlySizes.get(id);
    const size = cols && rows ? { cols, rows } : (early ?? { cols: DEFAULT_COLS, rows: DEFAULT_ROWS });
    this.#earlySizes.delete(id);
    const { logger, openShell, maxSessions, shell } = this.#options;
    if (this.#closed) throw new Refusal("failed", "the agent is stopping");
    if (this.#sessions.size >= maxSessions) {
      throw new Refusal(
        "too_many_sessions",
        `${maxSessions} sessions run here already, which is the limit: end one first`,
      );
    }
    const pty = openShell(size, wish);
    gather(logger, { ...SESSION_LINES, kind: "started sessions" }, `session ${id} started (pid ${pty.pid})`);
    onStart();
    const command = (wish.shown ?? wish.command ?? shell).slice(0, SHOWN_CHARS);
    const session = this.#make({ id, pty, command, size, ring: this.#rings.open() });
    const greeting = wish.command === undefined && this.#options.greeting?.();
    if (greeting) session.show(`${greeting}\r\n`);
    this.#sessions.set(id, session);
    this.#started += 1;
    return session;
  }

  /** Ends one, by its name or its instance. @returns false where there is none */
  kill(id: string): boolean {
    const session = this.#sessions.get(id) ?? [...this.#sessions.values()].find((one) => one.instance === id);
    if (!session) return false;
    this.stop(session.id, "this shell was ended on request (rexec kill)");
    return true;
  }

  /** For a session that has not started yet; the first ones only, since their names are a peer's. */
  expectSize(id: string, size: Size): void {
    if (this.#earlySizes.size < MAX_EARLY_SIZES || this.#earlySizes.has(id)) this.#earlySizes.set(id, size);
  }

  /** Once the session of that name is over, `onAgain` is called. */
  openAgain(id: string): void {
    this.#again.add(id);
  }

  /** Ends one. @param why shown to viewers */
  stop(id: string, why?: string): void {
    this.#again.delete(id);
    void this.#sessions.get(id)?.stop(GRACE_MS, why);
  }

  /** Ends all. Resolves when every shell is gone. @param why shown to viewers */
  async stopAll(why?: string): Promise<void> {
    this.#again.clear();
    this.#earlySizes.clear();
    await Promise.all([...this.#sessions.values()].map((session) => session.stop(GRACE_MS, why)));
  }

  /** The terminals of those that have not ended. */
  get terminals(): Pty[] {
    return [...this.#sessions.values()].map(({ pty }) => pty).filter((pty) => pty !== null);
  }

  /** For another program image of this process. Views of what there is: true until something changes. */
  save(): Required<SavedSessions> {
    return {
      isV2: this.#rings.isV2,
      started: this.#started,
      sessions: [...this.#sessions.values()].map((session) => session.save()),
      ended: this.#ended.save(),
      earlySizes: [...this.#earlySizes].map(([id, size]) => ({ id, ...size })),
      again: [...this.#again],
    };
  }

  /** What the image before had. To be called once, before anything else. */
  restore({ isV2, started, sessions, ended, earlySizes, again }: SavedSessions): void {
    this.#started = started ?? sessions.length + ended.length;
    if (isV2) this.#rings.serveV2();
    const open = (saved: SavedSession) => ({ saved, ring: this.#rings.open() });
    const alive = sessions.map(open); // all rings before any is filled: each has its share then
    const over = ended.map(({ session, leftMs }) => ({ ...open(session), leftMs }));
    for (const { saved, ring } of alive) {
      const session = this.#revive(saved, ring);
      this.#sessions.set(session.id, session);
      if (session.state === "stopping") this.stop(session.id);
    }
    for (const { saved, ring, leftMs } of over) {
      const session = this.#revive(saved, ring);
      this.#rings.settle(ring);
      this.#ended.add(session, leftMs);
    }
    for (const { id, cols, rows } of earlySizes) this.#earlySizes.set(id, { cols, rows });
    for (const id of again) this.#again.add(id);
  }

  /** Ends all and takes no new ones. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.stopAll("the agent was stopped, and this shell with it");
  }

  // --- internal ---

  #make(its: Pick<SessionOptions<Session>, "id" | "pty" | "command" | "size" | "ring" | "saved">): Session {
    const { logger, viewerGraceMs, follow } = this.#options;
    const onOver = (over: Session) => this.#onOver(over);
    return new Session({ ...its, logger, viewerGraceMs, follow, onOver });
  }

  #revive({ pty: left, ring: { start, parts }, ...saved }: SavedSession, ring: ByteRing): Session {
    const { id, command, cols, rows } = saved;
    ring.restart(start);
    for (const part of parts) ring.append(part);
    const pty = left && new AdoptedPty({ ...left, unwritten: [] });
    return this.#make({ id, pty, command, size: { cols, rows }, ring, saved });
  }

  #onOver(session: Session): void {
    if (this.#sessions.get(session.id) !== session) return;
    this.#bury(session);
    // Not at once: the follower is about to tell the end.
    if (this.#again.delete(session.id)) queueMicrotask(() => this.#options.onAgain(session.id));
  }

  /** It can be read for a while. */
  #bury(session: Session): void {
    gather(this.#options.logger, { ...SESSION_LINES, kind: "ended sessions" }, `session ${session.id} ended`);
    this.#sessions.delete(session.id);
    this.#rings.settle(session.ring);
    this.#ended.add(session);
  }
}

/** A server may start and end sessions as fast as it likes. */
const SESSION_LINES = { level: "info", who: "server", atOnce: 64 } as const;
