/**
 * Where one agent and its viewers meet: who is there, and what is theirs. What they say is `room-traffic.ts`'s. Over 350 lines:
 * viewers that come and leave, and an agent that does, change the same sets, and one file keeps them consistent.
 */
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import {
  CLOSE_AGENT_OFFLINE,
  CLOSE_SUPERSEDED,
  CLOSE_TRY_LATER,
  CLOSE_VIEWER_REPLACED,
} from "../../protocol/close-codes.ts";
import { isSplitSession, MAIN_SESSION } from "../../protocol/ids.ts";
import { type AgentStats, encodeServer, type SystemInfo } from "../../protocol/v1.ts";
import { encodeToViewer } from "../../protocol/v1-viewer.ts";
import type { Connection } from "../sockets/connection.ts";
import { backlogShare } from "../v1/backlog.ts";
import { V1Demand } from "../v1/demand.ts";
import { ExecRouter } from "../v1/exec-router.ts";
import { LOW_BYTES, shouldPause, skipMarker } from "../v1/flow.ts";
import type { Viewer } from "../v1/viewer.ts";
import { Attendance } from "./attendance.ts";
import { Desk, type DeskOptions } from "./desk.ts";
import type { Peer } from "./peer.ts";
import { MAX_SESSIONS, Session } from "./session.ts";
import { SessionCensus } from "./session-census.ts";
import type { Uplink } from "./uplink.ts";

export class Room {
  readonly agentId: string;
  readonly execs: ExecRouter;
  uplink: Uplink | null = null;
  systemInfo: SystemInfo | null = null;
  stats: AgentStats | null = null;
  readonly viewers = new Set<Viewer>();
  /** Those that speak rexec.v2, and what they look at. */
  readonly desk: Desk;
  readonly #attendance: Attendance;
  readonly #demand = new V1Demand({
    isLed: (session) => this.desk.watches(session),
    tell: (session, wanted) => this.uplink?.link?.control({ type: "v1_output", session, wanted }),
  });
  readonly #sessions = new Map<string, Session>();
  readonly census: SessionCensus;
  /** Split sessions to be ended as soon as the agent is back. */
  readonly #pendingStops = new Set<string>();
  /** Viewers that are not read because the agent does not take their input. */
  readonly #held = new Set<Viewer>();
  readonly #timings: DeskOptions["timings"];
  readonly #logger: Logger;
  readonly #onEmpty: () => void;
  #absence: Timer | null = null;

  /** @param onEmpty called when nobody is left and nothing is waited for: forget this room */
  constructor(agentId: string, options: DeskOptions, logger: Logger, onEmpty: () => void) {
    this.agentId = agentId;
    this.#timings = options.timings;
    this.#logger = logger;
    this.#onEmpty = onEmpty;
    this.#attendance = new Attendance(options.timings.holdMs, () => this.#tellViewers());
    this.execs = new ExecRouter(options.timings.execGraceMs);
    this.census = new SessionCensus(options.sessions, {
      list: () => this.desk.list(),
      isStarting: (id) => this.desk.isOpening(id) || this.#sessions.get(id)?.state === "starting",
    });
    this.desk = new Desk(options, {
      admit: (session, request) => this.census.admit(session, request),
      onSize: (session, size) => {
        const known = this.#sessions.get(session);
        if (known) known.size = size;
      },
      onWatch: () => this.updateFlow(),
      otherViewers: (session) =>
        [...(this.#sessions.get(session)?.viewers ?? [])].map((one) => one.connection.info),
    });
  }

  /** Of all states, as far as is known. */
  get sessions(): Iterable<Session> {
    return this.#sessions.values();
  }

  /** Ends a session of the agent. */
  kill(session: string): void {
    if (this.desk.speaksV2) this.desk.kill(session);
    else this.uplink?.send(encodeServer.shellStopSession(session));
  }

  // --- the agent ---

  /** The newest connection of an agent wins; an older one is told by whom, and closed. */
  connect(uplink: Uplink): void {
    const older = this.uplink;
    if (older) {
      this.#lose(older, "another connection of this agent took over");
      older.connection.close(
        CLOSE_SUPERSEDED,
        `superseded by a connection from ${uplink.connection.info.address}`,
      );
    }
    this.uplink = uplink;
    this.#demand.reset();
    this.systemInfo = null;
    this.stats = null;
    if (this.#absence) clearTimeout(this.#absence);
    this.#absence = null;
    for (const id of this.#pendingStops) uplink.send(encodeServer.shellStopSession(id));
    this.#pendingStops.clear();
    for (const viewer of this.viewers) viewer.send(encodeToViewer.agentStatus("online"));
    for (const session of this.#sessions.values()) {
      if (session.viewers.size === 0 || session.state === "ended") continue;
      for (const viewer of session.viewers) viewer.awaitsStart = true;
      this.startShell(session);
    }
    this.desk.connect(uplink.link);
    this.census.connect(uplink.connection.info.userId);
    this.#tellViewers();
  }

  /** The uplink's connection ended. Viewers are kept for a while: agents come back. */
  disconnect(uplink: Uplink): void {
    if (this.uplink !== uplink) return;
    this.#lose(uplink, "the agent's connection was lost");
    this.#absence = setTimeout(() => this.#giveUp(), this.#timings.agentGraceMs);
    this.#forgetIfEmpty();
  }

  startShell(session: Session): void {
    session.apply("start_sent");
    const newSession = session.id !== MAIN_SESSION;
    this.#demand.reset(session.id);
    this.uplink?.send(encodeServer.shellStart({ session_id: session.id, new_session: newSession }));
  }

  // --- viewers ---

  /** Viewers of both kinds. */
  get viewerCount(): number {
    return this.viewers.size + this.desk.peers.size;
  }

  /** @param sessionId null for a viewer that only runs commands */
  enter(viewer: Viewer, sessionId: string | null): void {
    for (const earlier of this.viewers) {
      if (earlier.id !== viewer.id) continue;
      this.leave(earlier);
      earlier.connection.close(CLOSE_VIEWER_REPLACED, "the same viewer connected again");
    }
    this.viewers.add(viewer);
    this.#attendance.entered(viewer.id);
    if (sessionId === null) return;
    const refused = (why: string) => {
      this.census.ended(sessionId);
      viewer.send(encodeToViewer.shellError(sessionId, why));
      viewer.connection.close(CLOSE_TRY_LATER, why);
    };
    this.census.admit(sessionId, {
      isWanted: () => this.viewers.has(viewer),
      granted: () => this.#attach(viewer, sessionId, refused),
      refused,
    });
  }

  /** @param forGood it said goodbye, and will not be back: what is its alone ends at once */
  leave(viewer: Viewer, forGood = false): void {
    if (!this.viewers.delete(viewer)) return;
    this.#attendance.left(viewer.id, forGood);
    this.#held.delete(viewer);
    this.execs.viewerLeft(viewer);
    const session = this.sessionOf(viewer);
    viewer.sessionId = null;
    if (session) {
      session.viewers.delete(viewer);
      // Who has seen the shell end and comes back wants a new one; who has not is told of the end first.
      if (session.state !== "ended") session.backlog.leave(viewer.id);
      if (session.viewers.size === 0) this.#abandon(session, forGood);
    }
    this.updateFlow();
    this.#forgetIfEmpty();
  }

  /** A viewer by v2 is here. */
  peerEntered(id: string, connection: Connection): Peer {
    const peer = this.desk.enter(id, connection);
    this.#attendance.entered(id);
    this.updateFlow();
    return peer;
  }

  /** A viewer by v2 is gone. @param forGood it said goodbye */
  peerLeft(peer: Peer, forGood: boolean): void {
    if (this.desk.peers.has(peer)) this.#attendance.left(peer.id, forGood);
    this.desk.leave(peer);
    this.updateFlow();
    this.#forgetIfEmpty();
  }

  /** The session, made where it is new; null where there are too many. */
  session(id: string): Session | null {
    const known = this.#sessions.get(id);
    if (known || this.#sessions.size >= MAX_SESSIONS) return known ?? null;
    const session = new Session(id, backlogShare(this.#sessions.size + 1));
    this.#sessions.set(id, session);
    // Made by the agent's word alone, after a restart of ours: somebody may come back to it, or not.
    if (isSplitSession(id)) this.#startGrace(session);
    return session;
  }

  /** The session if it is known. */
  knownSession(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  /** What this viewer looks at. */
  sessionOf(viewer: Viewer): Session | undefined {
    return viewer.sessionId === null ? undefined : this.#sessions.get(viewer.sessionId);
  }

  // --- flow ---

  /** Reads the agent, or does not: see `flow.ts`. To be called whenever a viewer got or took output, came or went. */
  updateFlow(): void {
    const connection = this.uplink?.connection;
    if (!connection) return;
    const waiting = [...this.viewers].filter((viewer) => viewer.isWatching).map((viewer) => viewer.buffered);
    // By v2 each viewer is sent what it has room for: nobody there is ever a reason to stop.
    if (!this.desk.isWatched && shouldPause(connection.isPaused, waiting)) connection.pause();
    else connection.resume();
    if (this.uplink?.link) this.#demand.update(this.#sessions.values());
  }

  /** The agent does not take this viewer's input: it is not read until the agent does. */
  hold(viewer: Viewer): void {
    this.#held.add(viewer);
    viewer.connection.pause();
  }

  releaseHeld(): void {
    if (this.uplink && this.uplink.connection.buffered > LOW_BYTES) return;
    for (const viewer of this.#held) viewer.connection.resume();
    this.#held.clear();
  }

  tick(now: number): void {
    for (const viewer of this.viewers) viewer.check(now);
    this.desk.tick(now);
    this.updateFlow();
    this.releaseHeld();
  }

  /** Closes everything: the agent was deleted, or the gateway stops. */
  close(code: number, reason: string): void {
    const { uplink } = this;
    if (uplink) this.#lose(uplink, reason);
    uplink?.connection.close(code, reason);
    for (const viewer of [...this.viewers]) {
      viewer.connection.close(code, reason);
      this.leave(viewer);
    }
    this.desk.close(code, reason);
    for (const { graceTimer } of this.#sessions.values()) if (graceTimer) clearTimeout(graceTimer);
    if (this.#absence) clearTimeout(this.#absence);
    this.#attendance.close();
    this.#sessions.clear();
    this.#onEmpty();
  }

  // --- internal ---

  #tellViewers(): void {
    if (this.uplink?.isEphemeral) this.uplink.send(encodeServer.viewers(this.#attendance.count));
  }

  #attach(viewer: Viewer, sessionId: string, refused: (why: string) => void): void {
    const session = this.session(sessionId);
    if (!session) return void refused("this agent has too many sessions");
    if (session.graceTimer) clearTimeout(session.graceTimer);
    session.graceTimer = null;
    this.#pendingStops.delete(session.id);
    viewer.sessionId = session.id;
    // No await between the backlog and the live output: nothing is missed, nothing comes twice.
    const { text, lost, known } = session.backlog.comeBack(viewer.id);
    if (lost > 0) viewer.send(encodeToViewer.output(skipMarker(lost)));
    const shown = known || session.state === "ended" ? text : session.backlog.recent();
    if (shown) viewer.send(encodeToViewer.output(shown));
    session.viewers.add(viewer);
    // Whoever was away while the shell ended hears of that, and does not find himself in a new one.
    if (known && session.stop) {
      viewer.send(encodeToViewer.shellStopped(session.stop));
      return;
    }
    viewer.awaitsStart = true;
    this.startShell(session);
  }

  /**
   * Nobody looks at it any more. The shared shell lives on; a viewer's own ends with it, or waits a while where the
   * viewer may come back.
   */
  #abandon(session: Session, forGood: boolean): void {
    if (!isSplitSession(session.id)) return;
    if (forGood) this.#endSplit(session);
    else this.#startGrace(session);
  }

  #startGrace(session: Session): void {
    if (session.graceTimer) clearTimeout(session.graceTimer);
    session.graceTimer = setTimeout(() => this.#endSplit(session), this.#timings.splitGraceMs);
  }

  #endSplit(session: Session): void {
    session.graceTimer = null;
    if (session.viewers.size > 0 || this.desk.watches(session.id)) return;
    this.#sessions.delete(session.id);
    this.census.ended(session.id);
    if (session.state !== "ended") {
      const cause = { level: "info", kind: "ended sessions", who: this.agentId, atOnce: 5 } as const;
      gather(this.#logger, cause, `session ${session.id} ends: nobody is left on it`);
      if (this.uplink) this.uplink.send(encodeServer.shellStopSession(session.id));
      else this.#pendingStops.add(session.id);
    }
    this.#forgetIfEmpty();
  }

  #lose(uplink: Uplink, reason: string): void {
    if (this.uplink !== uplink) return;
    this.uplink = null;
    this.census.disconnect();
    this.desk.disconnect();
    this.execs.failAll(`${reason} before the command was done; it may still be running there`);
    for (const session of this.#sessions.values()) session.apply("agent_lost");
    for (const viewer of this.viewers) viewer.send(encodeToViewer.agentStatus("offline"));
    this.releaseHeld();
  }

  /** The agent has been away for long. */
  #giveUp(): void {
    this.#absence = null;
    for (const viewer of [...this.viewers]) {
      const id = viewer.sessionId;
      if (id !== null)
        viewer.send(encodeToViewer.shellError(id, "the agent went offline and did not come back"));
      viewer.connection.close(CLOSE_AGENT_OFFLINE, "the agent went offline");
      this.leave(viewer);
    }
    this.desk.close(CLOSE_AGENT_OFFLINE, "the agent went offline");
    for (const { graceTimer } of this.#sessions.values()) if (graceTimer) clearTimeout(graceTimer);
    this.#sessions.clear();
    this.#pendingStops.clear();
    this.#forgetIfEmpty();
  }

  #forgetIfEmpty(): void {
    if (this.uplink || this.#absence || this.viewerCount > 0) return;
    this.#attendance.close();
    this.#onEmpty();
  }
}
