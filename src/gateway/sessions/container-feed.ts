/**
 * `WS /api/containers/events`: the list that the stock dashboard shows, and each change of it. A follower that does not
 * read misses changes and gets the whole list once it reads again.
 */
import { CLOSE_POLICY } from "../../protocol/close-codes.ts";
import { containerId } from "../../protocol/ids.ts";
import type { AgentListOf } from "../auth/access.ts";
import type { Connection } from "../sockets/connection.ts";
import type { AccessChanged, AgentDirectory, AgentEvent } from "./agent-directory.ts";

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

/** What the dashboard calls an event of the directory; null for one that changes nothing in the list. */
const CHANGES = {
  created: "created",
  connected: "started",
  superseded: null,
  disconnected: "stopped",
  updated: "updated",
  deleted: "deleted",
  transferred: "created",
} as const satisfies Record<AgentEvent["type"], string | null>;
type ContainerChange = NonNullable<(typeof CHANGES)[AgentEvent["type"]]>;

/** Looks agents up: entries of `GET /api/containers`. */
export interface ContainerSource {
  /** Null for an agent that does not exist, or that the list does not show. */
  one(agentId: string, list: AgentListOf): Promise<object | null>;
  all(list: AgentListOf): Promise<object[]>;
  /** Agents that a user may have. */
  readonly limit: number;
}

/** The followers of one list of agents. */
interface Audience {
  readonly list: AgentListOf;
  /** True for a follower that needs the whole list. */
  readonly followers: Map<Connection, boolean>;
  readonly changes: Map<string, ContainerChange>;
  timer: Timer | null;
}

/** The followers of all users and what they have not been sent yet. Owned by the gateway. */
export class ContainerFeed {
  readonly #source: ContainerSource;
  readonly #onError: (error: unknown) => void;
  readonly #audiences = new Map<string, Audience>();
  readonly #unsubscribe: () => void;

  /** @param onError called if the source fails; followers then get the list later */
  constructor(
    source: ContainerSource,
    directory: Pick<AgentDirectory, "subscribe">,
    onError: (error: unknown) => void,
  ) {
    this.#source = source;
    this.#onError = onError;
    this.#unsubscribe = directory.subscribe((event) => {
      if (event.type === "access_changed") this.#accessChanged(event);
      else if (event.type !== "credential_revoked") this.#changed(event);
    });
  }

  /** False if the user, or the gateway, has too many followers already. */
  hasRoomFor(userId: string): boolean {
    let all = 0;
    let own = 0;
    for (const { followers, list } of this.#audiences.values()) {
      all += followers.size;
      if (list.userId === userId) own += followers.size;
    }
    return own < MAX_FOLLOWERS_OF_USER && all < MAX_FOLLOWERS;
  }

  /**
   * Makes the connection a follower, from its opening on.
   * @param onOpen called when the socket is open
   */
  accept(connection: Connection, list: AgentListOf, onOpen: () => void): void {
    let words = 0;
    const listen = () => {
      words += 1;
      if (words > MAX_WORDS) connection.close(CLOSE_POLICY, "nothing is expected here");
    };
    connection.listen({
      onOpen: () => {
        onOpen();
        const audience = this.#audience(list);
        audience.followers.set(connection, true);
        this.#schedule(audience, 0);
      },
      onText: listen,
      onBytes: listen,
      onDrain: () => this.#schedule(this.#audience(list), EVERY_MS),
      onClose: () => this.#left(connection, list),
    });
  }

  /** Sends nothing more. The sockets are the hub's to close. */
  stop(): void {
    this.#unsubscribe();
    for (const { timer } of this.#audiences.values()) if (timer) clearTimeout(timer);
    this.#audiences.clear();
  }

  // --- internal ---

  /** The agent may be in the list of any audience: `ContainerSource.one` tells. */
  #changed({ type, agentId }: AgentEvent): void {
    const change = CHANGES[type];
    if (!change) return;
    for (const audience of this.#audiences.values()) {
      const before = audience.changes.get(agentId);
      audience.changes.delete(agentId);
      // Still unknown to the followers, whatever it has done since.
      const isNew = before === "created" && change !== "deleted";
      audience.changes.set(agentId, isNew ? "created" : change);
      this.#schedule(audience, EVERY_MS);
    }
  }

  #accessChanged({ userId }: AccessChanged): void {
    for (const audience of this.#audiences.values()) {
      if (userId !== null && audience.list.userId !== userId) continue;
      for (const connection of audience.followers.keys()) audience.followers.set(connection, true);
      this.#schedule(audience, EVERY_MS);
    }
  }

  #audience(list: AgentListOf): Audience {
    const key = keyOf(list);
    const known = this.#audiences.get(key);
    if (known) return known;
    const audience: Audience = { list, followers: new Map(), changes: new Map(), timer: null };
    this.#audiences.set(key, audience);
    return audience;
  }

  #left(connection: Connection, list: AgentListOf): void {
    const audience = this.#audiences.get(keyOf(list));
    if (!audience?.followers.delete(connection) || audience.followers.size > 0) return;
    if (audience.timer) clearTimeout(audience.timer);
    this.#audiences.delete(keyOf(list));
  }

  #schedule(audience: Audience, ms: number): void {
    if (audience.timer || audience.followers.size === 0) return;
    audience.timer = setTimeout(() => {
      void this.#send(audience)
        .catch((error: unknown) => {
          for (const connection of audience.followers.keys()) audience.followers.set(connection, true);
          this.#onError(error);
        })
        .finally(() => {
          audience.timer = null;
          if (audience.changes.size > 0) this.#schedule(audience, EVERY_MS);
        });
    }, ms);
  }

  async #send(audience: Audience): Promise<void> {
    const { followers } = audience;
    const changes = [...audience.changes];
    audience.changes.clear();
    const needsList = changes.length > MAX_CHANGES;
    for (const [connection, needs] of followers) {
      // A follower that has not read what was sent before would not read these changes either.
      if (needsList || needs || connection.buffered > 0) followers.set(connection, true);
    }
    const current = [...followers.keys()].filter((connection) => followers.get(connection) === false);
    if (current.length > 0) {
      const frames = await Promise.all(changes.map(([id, change]) => this.#frame(id, change, audience.list)));
      for (const frame of frames) if (frame) for (const connection of current) connection.send(frame);
    }
    const behind = [...followers.keys()].filter(
      (connection) => followers.get(connection) && connection.buffered === 0,
    );
    if (behind.length === 0) return;
    const containers = await this.#source.all(audience.list);
    const { limit } = this.#source;
    const list = event("list", { containers, count: containers.length, limit });
    for (const connection of behind) {
      if (!followers.has(connection)) continue;
      connection.send(list);
      followers.set(connection, false);
    }
  }

  /** Null for a change that the followers have no business with. A deletion is told to all: the id alone says nothing. */
  async #frame(agentId: string, change: ContainerChange, list: AgentListOf): Promise<string | null> {
    if (change === "deleted") return event("deleted", { id: containerId(agentId) });
    const container = await this.#source.one(agentId, list);
    return container && event(change, container);
  }
}

// --- internal ---

function keyOf({ userId, all }: AgentListOf): string {
  return all ? `all ${userId}` : userId;
}

function event(type: ContainerChange | "list", container: object): string {
  return JSON.stringify({ type, container, timestamp: new Date().toISOString() });
}
