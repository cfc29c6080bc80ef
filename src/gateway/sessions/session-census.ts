/**
 * How many sessions a user has on all connected agents, and whether there may be one more. What viewers asked for is
 * counted by name as it is asked, so requests at the same moment cannot pass the quota together. Sessions that ended are
 * struck out when the quota is reached: the agents are then asked what they have.
 */
import type { SessionInfo } from "../../protocol/v2/control.ts";

/**
 * Sessions of one agent that count although no viewer of this gateway asked for them: those of before a restart. There
 * is a limit, so that one agent cannot use up its owner's quota by naming sessions that it does not have.
 */
const REPORTED = 64;

/** All agents of a gateway. */
export class SessionQuota {
  readonly refusal: string;
  readonly #most: number;
  readonly #censuses = new Map<string, Set<SessionCensus>>();

  /** @param most sessions of one user */
  constructor(most: number) {
    this.#most = most;
    this.refusal = `this account has ${most} sessions, and may have no more (serve --max-sessions)`;
  }

  add(userId: string, census: SessionCensus): void {
    const known = this.#censuses.get(userId);
    if (known) known.add(census);
    else this.#censuses.set(userId, new Set([census]));
  }

  remove(userId: string, census: SessionCensus): void {
    const known = this.#censuses.get(userId);
    known?.delete(census);
    if (known?.size === 0) this.#censuses.delete(userId);
  }

  isFull(userId: string): boolean {
    let sessions = 0;
    for (const { count } of this.#censuses.get(userId) ?? []) sessions += count;
    return sessions >= this.#most;
  }

  /** Asks all connected agents of the user; resolves after 5 s at the latest. */
  async refresh(userId: string): Promise<void> {
    await Promise.all([...(this.#censuses.get(userId) ?? [])].map((census) => census.refresh()));
  }
}

/** What a census asks of its room. */
export interface CensusEvents {
  /** The agent's sessions; null where it cannot say. */
  list(): Promise<SessionInfo[] | null>;
  /** It was asked for, and the agent has not answered yet. */
  isStarting(session: string): boolean;
}

/** A viewer that waits for a session: granted or refused, once. */
export interface Request {
  /** False once the viewer is gone. */
  isWanted(): boolean;
  granted(): void;
  /** Never called before `admit` returns. */
  refused(why: string): void;
}

/** One agent's sessions. */
export class SessionCensus {
  readonly #quota: SessionQuota;
  readonly #events: CensusEvents;
  readonly #asked = new Set<string>();
  readonly #reported = new Set<string>();
  #userId: string | null = null;

  constructor(quota: SessionQuota, events: CensusEvents) {
    this.#quota = quota;
    this.#events = events;
  }

  get count(): number {
    return this.#asked.size + Math.min(this.#reported.size, REPORTED);
  }

  /** The agent is connected. @param userId its owner */
  connect(userId: string): void {
    this.disconnect();
    this.#userId = userId;
    this.#quota.add(userId, this);
    void this.refresh();
  }

  disconnect(): void {
    if (this.#userId !== null) this.#quota.remove(this.#userId, this);
    this.#userId = null;
  }

  /** A viewer wants this session, which is made where it does not exist. Answers at once unless the quota is reached. */
  admit(session: string, request: Request): void {
    if (this.#admits(session)) request.granted();
    else void this.#askAgain(session, request);
  }

  /** It has ended. */
  ended(session: string): void {
    this.#asked.delete(session);
    this.#reported.delete(session);
  }

  /** Asks the agent which sessions it has. */
  async refresh(): Promise<void> {
    const sessions = await this.#events.list();
    if (!sessions) return;
    const live = new Set<string>();
    for (const { kind, ended_at, session } of sessions) {
      if (kind === "shell" && ended_at === null) live.add(session);
    }
    for (const session of this.#asked) {
      if (!live.delete(session) && !this.#events.isStarting(session)) this.#asked.delete(session);
    }
    this.#reported.clear();
    for (const session of live) this.#reported.add(session);
  }

  // --- internal ---

  #admits(session: string): boolean {
    if (this.#asked.has(session) || this.#reported.has(session)) return true;
    if (this.#userId !== null && this.#quota.isFull(this.#userId)) return false;
    this.#asked.add(session);
    return true;
  }

  async #askAgain(session: string, request: Request): Promise<void> {
    if (this.#userId !== null) await this.#quota.refresh(this.#userId);
    if (!request.isWanted()) return;
    if (this.#admits(session)) request.granted();
    else request.refused(this.#quota.refusal);
  }
}
