/** All WebSockets of a gateway: counted, watched for silence and expired tokens, and closed together. */
import { forEachSafely } from "../../lib/fault.ts";
import type { Logger } from "../../lib/log.ts";
import { CLOSE_DELETED, REASON_TOKEN_EXPIRED, REASON_TOKEN_REVOKED } from "../../protocol/close-codes.ts";
import type { Connection } from "./connection.ts";
import { FrameWatch } from "./frame-watch.ts";

/** What a socket is for: `list` is a live list of agents. */
type Peer = "agent" | "viewer" | "list";

/** Figures of all sockets of one kind. */
interface Figures {
  /** Sockets that are open or closing. */
  count: number;
  /** Bytes that wait in them. */
  buffered: number;
  /** Bytes of messages since the start, of sockets that have ended too. */
  receivedBytes: number;
  sentBytes: number;
}

/** Owned by the hub. A connection is in it from its opening until Bun has released its socket. */
export class Connections {
  readonly #all = new Set<Connection>();
  readonly #viewers = new Set<Connection>();
  readonly #frameWatch: FrameWatch;
  /** Bytes of sockets that have ended. */
  readonly #past = { agent: noBytes(), viewer: noBytes(), list: noBytes() };

  constructor(logger: Logger) {
    this.#frameWatch = new FrameWatch(this.#all, logger);
  }

  /** Sockets that are open or closing. */
  get count(): number {
    return this.#all.size;
  }

  /** Bytes that wait in all sockets together. */
  get buffered(): number {
    let sum = 0;
    for (const { buffered } of this.#all) sum += buffered;
    return sum;
  }

  /** The most bytes that wait in one socket. */
  get worstBuffered(): number {
    let worst = 0;
    for (const { buffered } of this.#all) worst = Math.max(worst, buffered);
    return worst;
  }

  /** One figure for each kind of peer. */
  figures(what: keyof Figures): Record<Peer, number> {
    const past = (peer: Peer) =>
      what === "receivedBytes" || what === "sentBytes" ? this.#past[peer][what] : 0;
    const sums = { agent: past("agent"), viewer: past("viewer"), list: past("list") };
    for (const connection of this.#all) {
      sums[this.#peerOf(connection)] += what === "count" ? 1 : connection[what];
    }
    return sums;
  }

  /** Viewers that are connected. */
  get viewers(): Iterable<Connection> {
    return this.#viewers;
  }

  /** Sockets of agents that another user than the owner opened. */
  *agentsOfOthers(): Iterable<Connection> {
    for (const connection of this.#all) if (connection.info.connects !== undefined) yield connection;
  }

  viewersOfUser(userId: string): number {
    let count = 0;
    for (const { info } of this.#viewers) if (info.principal.user.id === userId) count += 1;
    return count;
  }

  viewersOfCredential(id: string): number {
    let count = 0;
    for (const { info } of this.#viewers) if (info.principal.credential.id === id) count += 1;
    return count;
  }

  opened(connection: Connection, isViewer = false): void {
    this.#all.add(connection);
    if (isViewer) this.#viewers.add(connection);
  }

  released(connection: Connection): void {
    if (this.#all.delete(connection)) {
      const past = this.#past[this.#peerOf(connection)];
      past.receivedBytes += connection.receivedBytes;
      past.sentBytes += connection.sentBytes;
    }
    this.#viewers.delete(connection);
  }

  /** Closes all sockets that were opened with a credential. */
  closeOfCredential(id: string): void {
    for (const connection of this.#all) {
      if (connection.info.principal.credential.id === id)
        connection.close(CLOSE_DELETED, REASON_TOKEN_REVOKED);
    }
  }

  /** @param now monotonic, ms */
  tick(now: number, onFault: (error: unknown) => void): void {
    const time = Date.now();
    const look = (connection: Connection) => {
      const { expiresAt } = connection.info;
      if (expiresAt !== null && expiresAt <= time) connection.close(CLOSE_DELETED, REASON_TOKEN_EXPIRED);
      connection.tick(now);
    };
    forEachSafely(this.#all, look, onFault);
  }

  /** Closes all sockets and stops watching. */
  stop(code: number, reason: string): void {
    this.#frameWatch.stop();
    for (const connection of this.#all) connection.close(code, reason);
  }

  #peerOf(connection: Connection): Peer {
    if (connection.info.isAgent) return "agent";
    return this.#viewers.has(connection) ? "viewer" : "list";
  }
}

// --- internal ---

function noBytes(): Pick<Figures, "receivedBytes" | "sentBytes"> {
  return { receivedBytes: 0, sentBytes: 0 };
}
