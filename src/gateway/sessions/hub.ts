/** All agents that are connected or waited for, and everybody who looks at one. */
import { forEachSafely, reportFault } from "../../lib/fault.ts";
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { networkOf } from "../../lib/network-of.ts";
import {
  CLOSE_AGENT_OFFLINE,
  CLOSE_DELETED,
  CLOSE_GOING_AWAY,
  REASON_AGENT_DELETED,
  REASON_TOKEN_EXPIRED,
  REASON_TOKEN_REVOKED,
} from "../../protocol/close-codes.ts";
import { MAIN_SESSION, splitSessionId } from "../../protocol/ids.ts";
import { VIEWER_MESSAGE_BYTES } from "../../protocol/limits.ts";
import type { SystemInfo } from "../../protocol/v1.ts";
import { parseViewerMessage } from "../../protocol/v1-viewer.ts";
import { Admissions } from "../auth/admissions.ts";
import type { Presence } from "../http/agent-view.ts";
import type { Connection } from "../sockets/connection.ts";
import { FrameWatch } from "../sockets/frame-watch.ts";
import type { AgentRow } from "../store/agents.ts";
import { Viewer } from "../v1/viewer.ts";
import type { ContainerFeed } from "./container-feed.ts";
import { Departures } from "./departures.ts";
import type { DeskOptions } from "./desk.ts";
import type { Peer } from "./peer.ts";
import { Room } from "./room.ts";
import { fromAgent, fromViewer, input } from "./room-traffic.ts";
import { runningShells } from "./shells.ts";
import { Uplink } from "./uplink.ts";

/** Viewers of one agent. */
export const MAX_VIEWERS = 128;

/** How a viewer wants to look. */
export interface ViewerWish {
  id: string;
  /** A shell of its own instead of the shared one. */
  newSession: boolean;
  /** No shell at all: it only runs commands. */
  execOnly: boolean;
}

/** What the hub tells whoever keeps the records; it waits for none of it. */
export interface HubEvents {
  connected(agentId: string, at: string): void;
  /** Of an agent that is or was connected; every minute or so, and at its end. */
  alive(agentId: string, at: string): void;
  systemInfo(agentId: string, info: SystemInfo): void;
}

/** The agent's last sign of life is written this often, milliseconds. */
const RECORD_ALIVE_MS = 60_000;

export class Hub {
  readonly #rooms = new Map<string, Room>();
  readonly #connections = new Set<Connection>();
  /** Those of them that are viewers'. */
  readonly #viewers = new Set<Connection>();
  readonly admissions = new Admissions();
  readonly #departures = new Departures(performance.now());
  /** Those who follow the list of a user's agents. */
  readonly feed: ContainerFeed;
  readonly #options: DeskOptions;
  readonly #timings: DeskOptions["timings"];
  readonly #logger: Logger;
  readonly #events: HubEvents;
  readonly #timer: Timer;
  readonly #frameWatch: FrameWatch;
  #recordedAt = performance.now();

  constructor(options: DeskOptions, logger: Logger, events: HubEvents, feed: ContainerFeed) {
    const { timings } = options;
    this.feed = feed;
    this.#options = options;
    this.#timings = timings;
    this.#logger = logger;
    this.#events = events;
    this.#timer = setInterval(() => this.#tick(), timings.tickMs);
    this.#frameWatch = new FrameWatch(this.#connections, logger);
  }

  /** What is known of a connected agent, null of one that is not. */
  presence(agentId: string): Presence | null {
    const room = this.#rooms.get(agentId);
    if (!room?.uplink) return null;
    const { connectedAt, lastPing } = room.uplink;
    const { systemInfo, stats } = room;
    return { connectedAt, lastPing, sessions: runningShells(room).length, systemInfo, stats };
  }

  /** True for one that is not connected and likely to be within seconds. */
  isReturning(agent: AgentRow): boolean {
    return !this.presence(agent.id) && this.#departures.isReturning(agent, performance.now(), Date.now());
  }

  viewerCount(agentId: string): number {
    return this.#rooms.get(agentId)?.viewerCount ?? 0;
  }

  viewersOfUser(userId: string): number {
    let count = 0;
    for (const { info } of this.#viewers) if (info.userId === userId) count += 1;
    return count;
  }

  /** True while the agent is connected and speaks rexec.v2. */
  speaksV2(agentId: string): boolean {
    return this.#rooms.get(agentId)?.desk.speaksV2 ?? false;
  }

  /** Sockets that are open or closing. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Bytes that wait in all sockets together. */
  get buffered(): number {
    let sum = 0;
    for (const connection of this.#connections) sum += connection.buffered;
    return sum;
  }

  /** Makes the connection this agent's, from its opening on. */
  acceptAgent(connection: Connection, agent: AgentRow, v2 = false): void {
    const uplink = new Uplink(connection, agent.name, this.#logger, v2, agent.ephemeral);
    const name = `agent ${agent.name} (${agent.id})`;
    const { address } = connection.info;
    const say = (kind: string, line: string) =>
      gather(this.#logger, { level: "info", kind: `agent ${kind}`, who: agent.id, ...AGENT_LINES }, line);
    uplink.listen(
      {
        onMessage: (message) => {
          const room = this.#rooms.get(agent.id);
          if (room?.uplink !== uplink) return;
          fromAgent(room, message, this.#logger);
          if (message.type !== "system_info") return;
          this.#events.systemInfo(agent.id, message.data);
          this.feed.changed(agent.user_id, agent.id, "updated");
        },
        onDrain: () => this.#rooms.get(agent.id)?.releaseHeld(),
        onClosed: (code, reason) => {
          const room = this.#rooms.get(agent.id);
          // One that was superseded leaves the agent connected.
          if (room?.uplink === uplink) this.feed.changed(agent.user_id, agent.id, "stopped");
          room?.disconnect(uplink);
          if (!this.#rooms.get(agent.id)?.uplink) this.#departures.left(agent.id, performance.now());
          this.#events.alive(agent.id, uplink.lastPing);
          say("disconnects", `${name} disconnected (${describe(code, reason)})`);
        },
      },
      () => {
        this.#connections.add(connection);
        say("connects", `${name} connected from ${address}`);
        this.#events.connected(agent.id, uplink.connectedAt);
        this.#room(agent.id).connect(uplink);
        this.feed.changed(agent.user_id, agent.id, "started");
      },
    );
  }

  /** Makes the connection a viewer of this agent, from its opening on. */
  acceptViewer(connection: Connection, agent: AgentRow, wish: ViewerWish): void {
    const viewer = new Viewer(wish.id, connection, this.#timings);
    const name = `viewer of ${agent.name} from ${connection.info.address}`;
    const say = this.#viewerLines(agent, connection);
    const sessionId = wish.newSession ? splitSessionId(wish.id) : MAIN_SESSION;
    const room = () => this.#rooms.get(agent.id);
    let invalid = 0;
    const nonsense = (reason: string) => {
      invalid += 1;
      if (invalid === 1) say("nonsense", `${name} sent nonsense: ${reason}`, "warn");
      if (invalid > MAX_INVALID) connection.close(1008, "too many messages that make no sense");
    };
    connection.listen({
      onOpen: () => {
        this.#connections.add(connection);
        this.#viewers.add(connection);
        const here = room();
        if (!here?.uplink) return connection.close(CLOSE_AGENT_OFFLINE, "the agent is offline");
        say("connects", `${name} connected (${wish.execOnly ? "commands only" : sessionId})`);
        here.enter(viewer, wish.execOnly ? null : sessionId);
      },
      onText: (text) => {
        const here = room();
        if (!here || tooLarge(connection, text.length)) return;
        const parsed = parseViewerMessage(text);
        if (parsed.ok) fromViewer(here, viewer, parsed.value);
        else if (parsed.problem === "invalid") nonsense(parsed.reason);
      },
      onBytes: (bytes) => {
        const here = room();
        if (here && !tooLarge(connection, bytes.length)) input(here, viewer, bytes);
      },
      onDrain: () => {
        viewer.check(performance.now());
        room()?.updateFlow();
      },
      onClose: (code, reason) => {
        room()?.leave(viewer, GOODBYES.has(code));
        say("disconnects", `${name} disconnected (${describe(code, reason)})`);
      },
    });
  }

  /** Makes the connection a viewer of this agent that speaks rexec.v2, from its opening on. */
  acceptPeer(connection: Connection, agent: AgentRow, id: string): void {
    const name = `viewer of ${agent.name} from ${connection.info.address}`;
    const say = this.#viewerLines(agent, connection);
    let peer: Peer | null = null;
    connection.listen({
      onOpen: () => {
        this.#connections.add(connection);
        this.#viewers.add(connection);
        const room = this.#rooms.get(agent.id);
        if (!room?.desk.speaksV2) return connection.close(CLOSE_AGENT_OFFLINE, "the agent is offline");
        say("connects", `${name} connected (rexec.v2)`);
        peer = room.peerEntered(id, connection);
      },
      onText: (text) => peer?.text(text),
      onBytes: (bytes) => peer?.bytes(bytes),
      onDrain: () => peer?.drained(),
      onClose: (code, reason) => {
        const room = this.#rooms.get(agent.id);
        if (peer) room?.peerLeft(peer, GOODBYES.has(code));
        say("disconnects", `${name} disconnected (${describe(code, reason)})`);
      },
    });
  }

  /** Makes the connection a follower of a user's list, from its opening on. */
  acceptFollower(connection: Connection, userId: string): void {
    this.feed.accept(connection, userId, () => this.#connections.add(connection));
  }

  /** The agent's room, while it is connected or waited for. */
  room(agentId: string): Room | undefined {
    return this.#rooms.get(agentId);
  }

  /** Bun has let go of it. */
  released(connection: Connection): void {
    this.#connections.delete(connection);
    this.#viewers.delete(connection);
  }

  agentDeleted(agentId: string): void {
    this.admissions.agentDeleted(agentId);
    this.#rooms.get(agentId)?.close(CLOSE_DELETED, REASON_AGENT_DELETED);
  }

  /** Ends every socket that was opened with it. */
  tokenRevoked(tokenId: string): void {
    this.admissions.tokenRevoked(tokenId);
    for (const connection of this.#connections) {
      if (connection.info.tokenId === tokenId) connection.close(CLOSE_DELETED, REASON_TOKEN_REVOKED);
    }
  }

  /** Says goodbye to everybody. */
  stop(): void {
    clearInterval(this.#timer);
    this.feed.stop();
    this.#frameWatch.stop();
    for (const room of [...this.#rooms.values()]) room.close(CLOSE_GOING_AWAY, "the gateway stops");
    for (const connection of this.#connections) connection.close(CLOSE_GOING_AWAY, "the gateway stops");
  }

  // --- internal ---

  /** What is logged of a viewer: gathered, since it may come and go as often as it likes. */
  #viewerLines({ id }: AgentRow, { info }: Connection) {
    const who = `${id} ${networkOf(info.address)}`;
    return (kind: string, line: string, level: keyof Logger = "info") =>
      gather(this.#logger, { level, kind: `viewer ${kind}`, who, ...VIEWER_LINES }, line);
  }

  #room(agentId: string): Room {
    const known = this.#rooms.get(agentId);
    if (known) return known;
    const room = new Room(agentId, this.#options, this.#logger, () => {
      if (this.#rooms.get(agentId) === room) this.#rooms.delete(agentId);
    });
    this.#rooms.set(agentId, room);
    return room;
  }

  #tick(): void {
    const now = performance.now();
    const time = Date.now();
    const look = (connection: Connection) => {
      const { tokenExpiresAt } = connection.info;
      if (tokenExpiresAt !== null && tokenExpiresAt <= time)
        connection.close(CLOSE_DELETED, REASON_TOKEN_EXPIRED);
      connection.tick(now);
    };
    const onFault = (error: unknown) => reportFault(this.#logger, "the tick of the gateway failed", error);
    forEachSafely(this.#connections, look, onFault);
    forEachSafely(this.#rooms.values(), (room) => room.tick(now), onFault);
    if (now - this.#recordedAt < RECORD_ALIVE_MS) return;
    this.#recordedAt = now;
    for (const { agentId, uplink } of this.#rooms.values()) {
      if (uplink) this.#events.alive(agentId, uplink.lastPing);
    }
  }
}

/** Close codes of somebody who meant to leave: normal closure, and a plain `close()` (RFC 6455 section 7.4.1). */
const GOODBYES: ReadonlySet<number> = new Set([1000, 1005]);

/** Lines of one agent, and of the viewers of one agent from one address, that are logged at once. */
const AGENT_LINES = { atOnce: 3, peers: 1_024 };
const VIEWER_LINES = { atOnce: 5, peers: 256 };

/** Messages of one viewer that make no sense. */
const MAX_INVALID = 1_000;

function tooLarge(connection: Connection, length: number): boolean {
  if (length <= VIEWER_MESSAGE_BYTES) return false;
  connection.close(1009, `a message may have ${VIEWER_MESSAGE_BYTES} bytes`);
  return true;
}

function describe(code: number, reason: string): string {
  return reason ? `${code}: ${reason}` : String(code);
}
