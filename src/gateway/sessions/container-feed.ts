/**
 * `WS /api/containers/events`: the list that the stock dashboard shows, and each change of it. A follower that does not
 * read misses changes and gets the whole list once it reads again.
 */
import { CLOSE_POLICY } from "../../protocol/close-codes.ts";
import { containerId } from "../../protocol/ids.ts";
import type { Connection } from "../sockets/connection.ts";

/** Followers of one user. */
export const MAX_FOLLOWERS_OF_USER = 32;
/** Followers of all users. */
export const MAX_FOLLOWERS = 1_024;
/** Changes of one user's agents are sent at most this often, milliseconds: the last one of each agent counts. */
const EVERY_MS = 250;
/** More changes at a time are sent as one list. */
const MAX_CHANGES = 64;
/** A follower has nothing to say. */
const MAX_WORDS = 64;

export type ContainerChange = "created" | "started" | "stopped" | "updated" | "deleted";

/** Where agents are looked up; both as `GET /api/containers` shows them. */
export interface ContainerSource {
  one(agentId: string): Promise<object | null>;
  all(userId: string): Promise<object[]>;
  /** Agents that a user may have. */
  readonly limit: number;
}

interface Audience {
  /** True for one that has to get the whole list. */
  readonly followers: Map<Connection, boolean>;
  readonly changes: Map<string, ContainerChange>;
  timer: Timer | null;
}

export class ContainerFeed {
  readonly #source: ContainerSource;
  readonly #onError: (error: unknown) => void;
  readonly #audiences = new Map<string, Audience>();

  /** @param onError told where the source fails; followers then get the list later */
  constructor(source: ContainerSource, onError: (error: unknown) => void) {
    this.#source = source;
    this.#onError = onError;
  }

  /** False where there are too many already. */
  hasRoomFor(userId: string): boolean {
    let all = 0;
    for (const { followers } of this.#audiences.values()) all += followers.size;
    const own = this.#audiences.get(userId)?.followers.size ?? 0;
    return own < MAX_FOLLOWERS_OF_USER && all < MAX_FOLLOWERS;
  }

  /**
   * Makes the connection a follower, from its opening on.
   * @param onOpen called when it is there
   */
  accept(connection: Connection, userId: string, onOpen: () => void): void {
    let words = 0;
    const listen = () => {
      words += 1;
      if (words > MAX_WORDS) connection.close(CLOSE_POLICY, "nothing is expected here");
    };
    connection.listen({
      onOpen: () => {
        onOpen();
        this.#audience(userId).followers.set(connection, true);
        this.#schedule(userId, 0);
      },
      onText: listen,
      onBytes: listen,
      onDrain: () => this.#schedule(userId, EVERY_MS),
      onClose: () => this.#left(connection, userId),
    });
  }

  /** Something is otherwise with that agent. */
  changed(userId: string, agentId: string, change: ContainerChange): void {
    const audience = this.#audiences.get(userId);
    if (!audience) return;
    const before = audience.changes.get(agentId);
    audience.changes.delete(agentId);
    // Still unknown to the followers, whatever it has done since.
    const isNew = before === "created" && change !== "deleted";
    audience.changes.set(agentId, isNew ? "created" : change);
    this.#schedule(userId, EVERY_MS);
  }

  stop(): void {
    for (const { timer } of this.#audiences.values()) if (timer) clearTimeout(timer);
    this.#audiences.clear();
  }

  // --- internal ---

  #audience(userId: string): Audience {
    const known = this.#audiences.get(userId);
    if (known) return known;
    const audience: Audience = { followers: new Map(), changes: new Map(), timer: null };
    this.#audiences.set(userId, audience);
    return audience;
  }

  #left(connection: Connection, userId: string): void {
    const audience = this.#audiences.get(userId);
    if (!audience?.followers.delete(connection) || audience.followers.size > 0) return;
    if (audience.timer) clearTimeout(audience.timer);
    this.#audiences.delete(userId);
  }

  #schedule(userId: string, ms: number): void {
    const audience = this.#audiences.get(userId);
    if (!audience || audience.timer) return;
    audience.timer = setTimeout(() => {
      void this.#send(userId, audience)
        .catch(this.#onError)
        .finally(() => {
          audience.timer = null;
          if (audience.changes.size > 0) this.#schedule(userId, EVERY_MS);
        });
    }, ms);
  }

  async #send(userId: string, audience: Audience): Promise<void> {
    const { followers } = audience;
    const changes = [...audience.changes];
    audience.changes.clear();
    const needsList = changes.length > MAX_CHANGES;
    for (const [connection, needs] of followers) {
      // What waits for it would be followed by changes that it does not take either.
      if (needsList || needs || connection.buffered > 0) followers.set(connection, true);
    }
    const current = [...followers.keys()].filter((connection) => followers.get(connection) === false);
    if (current.length > 0) {
      for (const [id, change] of changes) {
        const frame = await this.#frame(id, change);
        for (const connection of current) connection.send(frame);
      }
    }
    const behind = [...followers.keys()].filter(
      (connection) => followers.get(connection) && connection.buffered === 0,
    );
    if (behind.length === 0) return;
    const containers = await this.#source.all(userId);
    const { limit } = this.#source;
    const list = event("list", { containers, count: containers.length, limit });
    for (const connection of behind) {
      if (!followers.has(connection)) continue;
      connection.send(list);
      followers.set(connection, false);
    }
  }

  async #frame(agentId: string, change: ContainerChange): Promise<string> {
    const container = change === "deleted" ? null : await this.#source.one(agentId);
    return container ? event(change, container) : event("deleted", { id: containerId(agentId) });
  }
}

// --- internal ---

function event(type: ContainerChange | "list", container: object): string {
  return JSON.stringify({ type, container, timestamp: new Date().toISOString() });
}
