/** The agents whose links are in this process, each in its room. */
import { forEachSafely, reportFault } from "../../lib/fault.ts";
import {
  CLOSE_DELETED,
  CLOSE_GOING_AWAY,
  CLOSE_KICKED,
  CLOSE_RETRY,
  REASON_AGENT_DELETED,
  REASON_KICKED,
} from "../../protocol/close-codes.ts";
import { encodeBare, type SystemInfo } from "../../protocol/v1.ts";
import { Admissions } from "../auth/admissions.ts";
import { Connections } from "../sockets/connections.ts";
import type { AgentRow } from "../store/agents.ts";
import {
  type AgentDirectory,
  type AgentEvent,
  type AgentHandle,
  type DirectoryEvent,
  MAX_VIEWERS,
  type Presence,
  type SeatRefusal,
  type SeatRequest,
  type ViewerPresence,
  type ViewerSeat,
  type ViewerSelection,
} from "./agent-directory.ts";
import { Departures } from "./departures.ts";
import { record, stopRecording } from "./recording-requests.ts";
import { Room } from "./room.ts";
import type { RoomOptions } from "./room-options.ts";
import type { Uplink } from "./uplink.ts";

/** Writes down what the agents of this process do. The hub does not wait for it. Times are RFC 3339. */
export interface AgentRecorder {
  connected(agentId: string, at: string): void;
  /** Every minute while the agent is connected, and at its end. */
  alive(agentId: string, at: string): void;
  systemInfo(agentId: string, info: SystemInfo): void;
}

/** The agent's last sign of life is written this often, milliseconds. */
const RECORD_ALIVE_MS = 60_000;

/**
 * The directory of a gateway without a cluster; its owner is the gateway. The other methods are for the code that
 * accepts sockets in this process.
 */
export class Hub implements AgentDirectory {
  readonly admissions = new Admissions();
  readonly connections: Connections;
  readonly #rooms = new Map<string, Room>();
  readonly #seats = new Set<SeatRequest>();
  readonly #listeners = new Set<(event: DirectoryEvent) => void>();
  readonly #departures = new Departures(performance.now());
  readonly #options: RoomOptions;
  readonly #recorder: AgentRecorder;
  readonly #timer: Timer;
  #recordedAt = performance.now();

  constructor(options: RoomOptions, recorder: AgentRecorder) {
    this.#options = options;
    this.#recorder = recorder;
    this.connections = new Connections(options.logger);
    this.#timer = setInterval(() => this.#tick(), options.timings.tickMs);
  }

  // --- the directory ---

  async link(agentId: string): Promise<AgentHandle | null> {
    const presence = this.presence(agentId);
    if (!presence) return null;
    return {
      presence,
      sessions: async () => {
        const room = this.#connected(agentId);
        if (!room) return null;
        return room.list();
      },
      record: async (session, viewer) => {
        const room = this.#connected(agentId);
        return room ? record(room, session, viewer) : "missing";
      },
      stopRecording: async (session) => {
        const room = this.#connected(agentId);
        return room ? stopRecording(room, session) : "missing";
      },
      kill: async (session) => this.#connected(agentId)?.kill(session),
      stopShells: async () => this.#connected(agentId)?.uplink?.send(encodeBare("shell_stop")),
      control: async (session, wish) => this.#connected(agentId)?.audience.control(session, wish) ?? null,
    };
  }

  async presences(agentIds: readonly string[]): Promise<ReadonlyMap<string, Presence>> {
    const known = new Map<string, Presence>();
    for (const id of agentIds) {
      const presence = this.presence(id);
      if (presence) known.set(id, presence);
    }
    return known;
  }

  async isReturning(agent: Pick<AgentRow, "id" | "last_ping">): Promise<boolean> {
    if (this.#connected(agent.id)) return true;
    return this.#departures.isReturning(agent, performance.now(), Date.now());
  }

  async takeSeat(request: SeatRequest): Promise<ViewerSeat | SeatRefusal> {
    const room = this.#connected(request.agentId);
    if (!room) return "offline";
    const seats = [...this.#seats];
    const ofAgent = seats.filter(({ agentId }) => agentId === request.agentId).length;
    if (this.viewerCount(request.agentId) + ofAgent >= MAX_VIEWERS) return "agent_full";
    const ofUser = seats.filter(({ userId }) => userId === request.userId).length;
    if (this.connections.viewersOfUser(request.userId) + ofUser >= request.userLimit) return "user_full";
    if (request.credential && this.#isFull(request.credential)) return "share_full";
    const protocolOf = () => {
      const now = this.#connected(request.agentId);
      return now && (now.speaksV2 ? "v2" : "v1");
    };
    this.#seats.add(request);
    return {
      get protocol() {
        return protocolOf();
      },
      [Symbol.dispose]: () => void this.#seats.delete(request),
    };
  }

  async viewers(agentId: string): Promise<readonly ViewerPresence[]> {
    return this.#rooms.get(agentId)?.audience.list() ?? [];
  }

  async closeViewers(agentId: string | null, selection: ViewerSelection): Promise<readonly ViewerPresence[]> {
    const one = agentId === null ? undefined : this.#rooms.get(agentId);
    const rooms = agentId === null ? [...this.#rooms.values()] : one ? [one] : [];
    return rooms.flatMap(({ audience }) => audience.close(selection, CLOSE_KICKED, REASON_KICKED));
  }

  async publish(event: DirectoryEvent): Promise<void> {
    if (event.type === "deleted") this.agentDeleted(event.agentId);
    // What is counted by its owner is counted anew when it is back.
    if (event.type === "transferred") {
      this.#rooms.get(event.agentId)?.uplink?.connection.close(CLOSE_RETRY, "the agent has another owner");
    }
    if (event.type === "credential_revoked") {
      this.admissions.credentialRevoked(event.id);
      this.connections.closeOfCredential(event.id);
    }
    if (event.type === "access_changed") this.admissions.accessChanged();
    this.#tell(event);
  }

  subscribe(listener: (event: DirectoryEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  // --- this process ---

  /** Null for an agent that is not connected. */
  presence(agentId: string): Presence | null {
    const room = this.#connected(agentId);
    if (!room?.uplink) return null;
    const { connectedAt, lastPing } = room.uplink;
    const { systemInfo, stats, viewerCount: viewers } = room;
    const sessions = room.runningShells.length;
    return { connectedAt, lastPing, sessions, viewers, systemInfo, stats };
  }

  viewerCount(agentId: string): number {
    return this.#rooms.get(agentId)?.viewerCount ?? 0;
  }

  /** How many there are of all in this process. */
  census(): { agents: number; viewers: number; sessions: number; ringMemory: number } {
    const census = { agents: 0, viewers: 0, sessions: 0, ringMemory: 0 };
    for (const room of this.#rooms.values()) {
      if (room.uplink) census.agents += 1;
      census.viewers += room.viewerCount;
      census.sessions += room.knownSessions;
      census.ringMemory += room.ringMemory;
    }
    return census;
  }

  /** Sockets that are open or closing. */
  get connectionCount(): number {
    return this.connections.count;
  }

  /** Bytes that wait in all sockets together. */
  get buffered(): number {
    return this.connections.buffered;
  }

  /** The agent's room, while it is connected or waited for. */
  room(agentId: string): Room | undefined {
    return this.#rooms.get(agentId);
  }

  /** The agent's socket is open: an older one of the same agent is closed. */
  agentConnected(agent: AgentRow, uplink: Uplink): void {
    this.#recorder.connected(agent.id, uplink.connectedAt);
    this.#options.recordings?.agentConnected(agent);
    const room = this.#openRoom(agent);
    const isSuperseding = room.uplink !== null;
    room.connect(uplink);
    if (isSuperseding) this.#tell(eventOf("superseded", agent));
    this.#tell(eventOf("connected", agent));
  }

  /** The agent's socket is closed: no `disconnected` follows if the agent was superseded or deleted. */
  agentDisconnected(agent: AgentRow, uplink: Uplink): void {
    const room = this.#rooms.get(agent.id);
    const wasConnected = room?.uplink === uplink;
    room?.disconnect(uplink);
    this.#recorder.alive(agent.id, uplink.lastPing);
    if (!wasConnected) return;
    this.#departures.left(agent.id, performance.now());
    this.#tell(eventOf("disconnected", agent));
  }

  /** The agent has described its machine. */
  agentDescribed(agent: AgentRow, info: SystemInfo): void {
    this.#recorder.systemInfo(agent.id, info);
    this.#tell(eventOf("updated", agent));
  }

  /** Ends the agent's sockets, and those of its viewers. */
  agentDeleted(agentId: string): void {
    this.admissions.agentDeleted(agentId);
    this.#rooms.get(agentId)?.close(CLOSE_DELETED, REASON_AGENT_DELETED);
  }

  /** Closes all sockets. */
  stop(): void {
    clearInterval(this.#timer);
    const reason = "the gateway stops";
    for (const room of [...this.#rooms.values()]) room.close(CLOSE_GOING_AWAY, reason);
    this.connections.stop(CLOSE_GOING_AWAY, reason);
  }

  // --- internal ---

  #isFull({ id, limit }: NonNullable<SeatRequest["credential"]>): boolean {
    const seats = [...this.#seats].filter(({ credential }) => credential?.id === id).length;
    return this.connections.viewersOfCredential(id) + seats >= limit;
  }

  readonly #onFault = (error: unknown): void =>
    reportFault(this.#options.logger, "the tick of the gateway failed", error);

  /** The room of a connected agent. */
  #connected(agentId: string): Room | null {
    const room = this.#rooms.get(agentId);
    return room?.uplink ? room : null;
  }

  #openRoom(agent: AgentRow): Room {
    const { id: agentId } = agent;
    const known = this.#rooms.get(agentId);
    if (known) {
      known.audit.agent = agent;
      return known;
    }
    const room = new Room(agent, this.#options, this.#options.logger, () => {
      if (this.#rooms.get(agentId) === room) this.#rooms.delete(agentId);
    });
    this.#rooms.set(agentId, room);
    return room;
  }

  #tell(event: DirectoryEvent): void {
    const onFault = (error: unknown) =>
      reportFault(this.#options.logger, `the event ${event.type} of the directory failed`, error);
    forEachSafely(this.#listeners, (listener) => listener(event), onFault);
  }

  #tick(): void {
    const now = performance.now();
    this.connections.tick(now, this.#onFault);
    forEachSafely(this.#rooms.values(), (room) => room.tick(now), this.#onFault);
    if (now - this.#recordedAt < RECORD_ALIVE_MS) return;
    this.#recordedAt = now;
    for (const { agentId, uplink } of this.#rooms.values()) {
      if (uplink) this.#recorder.alive(agentId, uplink.lastPing);
    }
  }
}

// --- internal ---

function eventOf(type: AgentEvent["type"], { id, user_id }: AgentRow): AgentEvent {
  return { type, agentId: id, userId: user_id };
}
