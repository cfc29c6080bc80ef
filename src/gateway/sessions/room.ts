/** Where an agent's link and its viewers meet: mirrors for its sessions, channels for its viewers, and v1 at the border. */
import { forEachSafely, reportFault } from "../../lib/fault.ts";
import type { Logger } from "../../lib/log.ts";
import {
  CLOSE_AGENT_OFFLINE,
  CLOSE_DELETED,
  CLOSE_RETRY,
  CLOSE_SUPERSEDED,
  CLOSE_VIEWER_REPLACED,
  REASON_ACCESS_ENDED,
} from "../../protocol/close-codes.ts";
import { type AgentStats, encodeServer, type SystemInfo } from "../../protocol/v1.ts";
import type { SessionInfo } from "../../protocol/v2/control.ts";
import type { SnapshotBudget } from "../../screen/snapshot-budget.ts";
import type { AuditedAgent } from "../audit/audit.ts";
import { RoomAudit } from "../audit/room-audit.ts";
import type { Connection, ConnectionInfo } from "../sockets/connection.ts";
import type { Timings } from "../timings.ts";
import { V1Adapter } from "../v1/adapter.ts";
import type { AgentLink } from "./agent-link.ts";
import { Attendance } from "./attendance.ts";
import { Audience } from "./audience.ts";
import type { KindHost } from "./channel-kind.ts";
import { Controls, type InputRefusal } from "./control.ts";
import { type Kinds, kindsFor, openChannel } from "./kinds.ts";
import type { Mirror } from "./mirror.ts";
import { Mirrors } from "./mirrors.ts";
import { Peer } from "./peer.ts";
import { mirrorNamed } from "./recording-requests.ts";
import type { RoomOptions } from "./room-options.ts";
import { RunRecordings } from "./run-recordings.ts";
import { type Request, SessionCensus } from "./session-census.ts";
import { answerList } from "./session-list.ts";
import type { SessionRecordings } from "./session-recordings.ts";
import type { Uplink } from "./uplink.ts";
import { ViewerIds } from "./viewer-ids.ts";

/** Owned by the hub, from the agent's connecting until it is away for good and its last viewer has left. */
export class Room implements KindHost {
  readonly agentId: string;
  readonly timings: Timings;
  readonly snapshots: SnapshotBudget;
  readonly recordings: SessionRecordings | null;
  readonly runRecordings: RunRecordings;
  readonly census: SessionCensus;
  readonly attendance: Attendance;
  /** Which viewers may type. */
  readonly controls: Controls;
  readonly audience: Audience;
  readonly viewerIds: ViewerIds;
  readonly audit: RoomAudit;
  /** Viewers that speak rexec.v1, and all that an agent says by it. */
  readonly v1: V1Adapter;
  /** Viewers that speak rexec.v2. */
  readonly peers = new Set<Peer>();
  /** Null while the agent is away. */
  uplink: Uplink | null = null;
  systemInfo: SystemInfo | null = null;
  stats: AgentStats | null = null;
  readonly #mirrors: Mirrors;
  readonly #kinds: Kinds;
  readonly #logger: Logger;
  readonly #onEmpty: () => void;
  #absence: Timer | null = null;

  /** @param onEmpty called when nothing is left to wait for: forget this room */
  constructor(agent: AuditedAgent, options: RoomOptions, logger: Logger, onEmpty: () => void) {
    this.agentId = agent.id;
    this.timings = options.timings;
    this.audit = new RoomAudit(options.audit, agent, this.timings.agentGraceMs + this.timings.viewerGraceMs);
    this.snapshots = options.snapshots;
    this.recordings = options.recordings ?? null;
    this.runRecordings = new RunRecordings(agent.id, this.recordings, options.timings.viewerGraceMs);
    this.#logger = logger;
    this.#onEmpty = onEmpty;
    this.attendance = new Attendance(options.timings.viewerGraceMs, () => this.#tellViewers());
    this.controls = new Controls(options.timings.sizeGraceMs, (session) => this.#controlChanged(session));
    this.audience = new Audience(this, (peer) => this.#kinds.attach.sessionsOf(peer));
    this.viewerIds = new ViewerIds(options.timings.viewerGraceMs);
    this.v1 = new V1Adapter(this, options.timings, logger);
    this.#kinds = kindsFor(this);
    this.census = new SessionCensus(options.sessions, {
      list: () => this.#ask(),
      isStarting: (id) => this.#kinds.attach.isOpening(id) || this.v1.isStarting(id),
    });
    this.#mirrors = new Mirrors({
      ...options,
      onSize: (session, size) => this.v1.resized(session, size),
      onEnded: (info) => this.audit.ended(info),
      counts: (session, viewer) => this.controls.counts(session, viewer),
      fault: this.fault,
    });
  }

  // --- the agent ---

  /** Null while the agent is away, or speaks rexec.v1. */
  get link(): AgentLink | null {
    return this.uplink?.link ?? null;
  }

  get speaksV2(): boolean {
    return this.link !== null;
  }

  /** The agent's newest connection wins; an older one is told by which, and closed. */
  connect(uplink: Uplink): void {
    const older = this.uplink;
    if (older) {
      this.#lose(older, "another connection of this agent took over");
      const reason = `superseded by a connection from ${uplink.connection.info.address}`;
      older.connection.close(CLOSE_SUPERSEDED, reason);
    }
    this.uplink = uplink;
    this.systemInfo = null;
    this.stats = null;
    this.#clearAbsence();
    this.v1.connect(uplink);
    if (uplink.link) this.#connectViewers(uplink.link);
    else this.#dismissViewers();
    this.census.connect(uplink.connection.info.principal.user.id);
    this.#tellViewers();
  }

  /** The uplink's connection ended. Viewers are kept for a while: agents come back. */
  disconnect(uplink: Uplink): void {
    if (this.uplink !== uplink) return;
    this.#lose(uplink, "the agent's connection was lost");
    this.#absence = setTimeout(() => this.#giveUp(), this.timings.agentGraceMs);
    this.forgetIfEmpty();
  }

  /** The shells that v1 messages told of and that run. An agent that speaks v1 gives them no instance of their own. */
  get runningShells(): SessionInfo[] {
    return this.v1.running;
  }

  /** Running shells that are known without asking the agent: those of v1 messages, and those that have a mirror. */
  get knownSessions(): number {
    return new Set([...this.runningShells.map(({ session }) => session), ...this.#mirrors.running()]).size;
  }

  /** Bytes of memory of the copies of sessions' output. */
  get ringMemory(): number {
    return this.#mirrors.memory;
  }

  /** All sessions with the number of their viewers; an agent that speaks v2 is asked. Null where it does not answer. */
  async list(): Promise<SessionInfo[] | null> {
    if (this.uplink && !this.link) return this.runningShells;
    const sessions = await this.#ask();
    return sessions?.map((info) => ({ ...info, viewers: this.#viewersOf(info) })) ?? null;
  }

  /** Ends a session of the agent. @param by a viewer that asked for it by its socket */
  kill(session: string, by?: ConnectionInfo): void {
    if (by) this.audit.byViewer(by, { action: "session.killed", session });
    if (this.link) this.link.control({ type: "kill", session });
    else this.v1.stopShell(session);
  }

  // --- viewers ---

  /** Viewers of both kinds. */
  get viewerCount(): number {
    return this.v1.viewers.size + this.peers.size;
  }

  /** A v2 viewer waits for something of the agent's. Each is sent what it has room for: none is a reason to pause the agent. */
  get isWatched(): boolean {
    return Object.values(this.#kinds).some((kind) => kind.isWatched);
  }

  /** Whether a v2 viewer reads a session of that name. */
  watches(session: string): boolean {
    return this.#mirrors.isWatched(session);
  }

  /** A v2 viewer's socket is open. An earlier one of the same viewer is closed. */
  peerEntered(id: string, connection: Connection): Peer {
    for (const earlier of [...this.peers]) {
      if (earlier.id !== id) continue;
      this.#dismiss(earlier);
      earlier.connection.close(CLOSE_VIEWER_REPLACED, "the same viewer connected again");
    }
    const peer = new Peer(id, connection, {
      onOpen: (from, message) => openChannel(this.#kinds, from, message),
      onKill: (session) => this.kill(session, connection.info),
      onList: (from) => void answerList(from, this.list()).catch(this.fault),
      onFault: this.fault,
    });
    this.peers.add(peer);
    this.attendance.entered(id);
    this.v1.updateFlow();
    return peer;
  }

  /** A v2 viewer's socket is closed. @param forGood the viewer said goodbye */
  peerLeft(peer: Peer, forGood: boolean): void {
    if (this.peers.has(peer)) this.attendance.left(peer.id, forGood);
    this.#dismiss(peer);
    this.v1.updateFlow();
    this.forgetIfEmpty();
  }

  /** What a v2 viewer may do has changed. */
  rightsChanged(peer: Peer): void {
    const { watch, use, exec } = peer.connection.rights;
    const isBlind = !watch && this.#kinds.attach.sessionsOf(peer).length > 0;
    if (isBlind) peer.connection.close(CLOSE_DELETED, REASON_ACCESS_ENDED);
    if (!use) this.controls.lost(peer.id);
    if (!exec) this.#kinds.run.forbid(peer, "you may not run commands on this machine any more");
    this.#kinds.attach.rightsChanged(peer);
  }

  // --- for the kinds of channels ---

  readonly inputRefused = (viewer: ConnectionInfo, session: string, reason: InputRefusal): void =>
    this.audit.byViewer(viewer, { action: "input.refused", session, details: { reason } });

  opened(): void {
    this.v1.updateFlow();
  }

  admit(session: string, request: Request): void {
    this.census.admit(session, request);
  }

  readonly mirrorNamed = (session: string) => mirrorNamed(this, session);

  mirrorOf(info: SessionInfo): Mirror {
    return this.#mirrors.of(info);
  }

  otherViewers(session: string): readonly ConnectionInfo[] {
    return this.v1.viewersOf(session);
  }

  readonly fault = (error: unknown): void => reportFault(this.#logger, "a session of a viewer failed", error);

  // --- life ---

  tick(now: number): void {
    this.v1.check(now);
    this.#mirrors.tick(now);
    forEachSafely(this.peers, (peer) => peer.drained(), this.fault);
    this.v1.updateFlow();
    this.v1.resumeViewers();
  }

  /** Closes everything: the agent was deleted, or the gateway stops. */
  close(code: number, reason: string): void {
    const { uplink } = this;
    if (uplink) this.#lose(uplink, reason);
    uplink?.connection.close(code, reason);
    this.#end(code, reason);
    this.#clearAbsence();
    this.attendance.close();
    this.controls.close();
    this.#onEmpty();
  }

  /** Has the room forgotten once it has neither an agent nor a viewer, and waits for none. */
  forgetIfEmpty(): void {
    if (this.uplink || this.#absence || this.viewerCount > 0) return;
    this.attendance.close();
    this.controls.close();
    this.#onEmpty();
  }

  // --- internal ---

  #controlChanged(session: string): void {
    this.#mirrors.controlChanged(session);
    this.#kinds.attach.controlChanged(session);
  }

  async #ask(): Promise<SessionInfo[] | null> {
    return (await this.link?.list()) ?? null;
  }

  #viewersOf({ instance, session }: SessionInfo): number {
    return this.#mirrors.viewersOf(instance) + this.v1.viewersOf(session).length;
  }

  #connectViewers(link: AgentLink): void {
    for (const peer of this.peers) peer.send({ type: "agent_status", status: "online" });
    this.#mirrors.connect(link);
    for (const kind of Object.values(this.#kinds)) kind.connect(link);
  }

  /** The agent came back with v1: its v2 viewers have to ask again. */
  #dismissViewers(): void {
    for (const peer of [...this.peers]) peer.connection.close(CLOSE_RETRY, "the agent speaks rexec.v1 now");
    this.#mirrors.forget();
  }

  #dismiss(peer: Peer): void {
    if (this.peers.delete(peer)) peer.closed();
  }

  #tellViewers(): void {
    if (this.uplink?.isEphemeral) this.uplink.send(encodeServer.viewers(this.attendance.count));
  }

  #clearAbsence(): void {
    if (this.#absence) clearTimeout(this.#absence);
    this.#absence = null;
  }

  #lose(uplink: Uplink, reason: string): void {
    this.uplink = null;
    this.census.disconnect();
    if (uplink.link) this.#disconnectViewers(uplink.link);
    this.v1.disconnect(reason);
  }

  #disconnectViewers(link: AgentLink): void {
    link.lost();
    for (const peer of this.peers) peer.send({ type: "agent_status", status: "offline" });
    this.#mirrors.disconnect();
    for (const kind of Object.values(this.#kinds)) kind.disconnect();
  }

  /** The agent has been away for long. */
  #giveUp(): void {
    this.#absence = null;
    this.#end(CLOSE_AGENT_OFFLINE, "the agent went offline", "the agent went offline and did not come back");
    this.forgetIfEmpty();
  }

  /** Closes all viewers. @param shellError what v1 viewers of a session are told before */
  #end(code: number, reason: string, shellError?: string): void {
    this.v1.end(code, reason, shellError);
    for (const peer of [...this.peers]) {
      peer.connection.close(code, reason);
      this.#dismiss(peer);
    }
    this.#mirrors.forget();
    for (const kind of Object.values(this.#kinds)) kind.close();
    this.runRecordings.close();
    this.audit.close();
  }
}
