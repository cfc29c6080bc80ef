/** rexec.v1 at the border of a room: its v1 viewers, the shells and commands that they use, and the flow of their output. */
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { CLOSE_TRY_LATER, CLOSE_VIEWER_REPLACED } from "../../protocol/close-codes.ts";
import { isSplitSession, MAIN_SESSION } from "../../protocol/ids.ts";
import { type AgentStats, encodeServer, type SystemInfo } from "../../protocol/v1.ts";
import { encodeToViewer } from "../../protocol/v1-viewer.ts";
import type { SessionInfo } from "../../protocol/v2/control.ts";
import type { RoomAudit } from "../audit/room-audit.ts";
import type { Attendance } from "../sessions/attendance.ts";
import type { Controls, InputRefusal } from "../sessions/control.ts";
import type { RunRecordings } from "../sessions/run-recordings.ts";
import type { SessionCensus } from "../sessions/session-census.ts";
import type { Uplink } from "../sessions/uplink.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { Timings } from "../timings.ts";
import { backlogShare } from "./backlog.ts";
import { V1Demand } from "./demand.ts";
import { ExecRouter } from "./exec-router.ts";
import { LOW_BYTES, shouldPause, skipMarker } from "./flow.ts";
import { NOTHING_TO_SEE } from "./rights.ts";
import { MAX_SESSIONS, Session } from "./session.ts";
import { ShellRecordings, type ShellRecordingsHost } from "./shell-recordings.ts";
import type { TerminalSize, Viewer } from "./viewer.ts";

/** In a terminal, before the shell says anything. */
const RECORDED = "\r\n[rexec: this session is recorded]\r\n";

/** What the adapter uses of its room. */
export interface V1Host extends ShellRecordingsHost {
  readonly agentId: string;
  readonly census: SessionCensus;
  readonly attendance: Attendance;
  /** Which viewers may type. */
  readonly controls: Controls;
  /** Null while the agent is away. */
  readonly uplink: Uplink | null;
  systemInfo: SystemInfo | null;
  stats: AgentStats | null;
  /** A v2 viewer waits for something of the agent's, so the agent has to be read. */
  readonly isWatched: boolean;
  /** Whether a v2 viewer reads a session of that name. */
  watches(session: string): boolean;
  /** The sessions that the agent has; null where it does not answer. */
  list(): Promise<SessionInfo[] | null>;
  readonly audit: RoomAudit;
  readonly runRecordings: RunRecordings;
  /** A viewer typed where it may not, for the first time. */
  inputRefused(viewer: ConnectionInfo, session: string, refusal: InputRefusal): void;
  /** A viewer left: the room may be of no use any more. */
  forgetIfEmpty(): void;
}

/** Owned by a room, for as long as that. `traffic.ts` has what passes through it. */
export class V1Adapter {
  readonly host: V1Host;
  readonly viewers = new Set<Viewer>();
  readonly execs: ExecRouter;
  readonly recordings: ShellRecordings;
  readonly #timings: Timings;
  readonly #logger: Logger;
  readonly #demand: V1Demand;
  readonly #sessions = new Map<string, Session>();
  /** Split sessions to be ended as soon as the agent is back. */
  readonly #pendingStops = new Set<string>();
  /** Viewers that are not read because the agent does not take their input. */
  readonly #pausedViewers = new Set<Viewer>();

  constructor(host: V1Host, timings: Timings, logger: Logger) {
    this.host = host;
    this.#timings = timings;
    this.#logger = logger;
    this.execs = new ExecRouter(timings.execGraceMs, host.audit.runs, host.runRecordings);
    this.recordings = new ShellRecordings(host);
    this.#demand = new V1Demand({
      isLed: (session) => host.watches(session),
      tell: (session, wanted) => host.uplink?.link?.control({ type: "v1_output", session, wanted }),
    });
  }

  // --- the agent ---

  connect(uplink: Uplink): void {
    this.#demand.reset();
    for (const id of this.#pendingStops) uplink.send(encodeServer.shellStopSession(id));
    this.#pendingStops.clear();
    for (const viewer of this.viewers) viewer.send(encodeToViewer.agentStatus("online"));
    for (const session of this.#sessions.values()) {
      if (session.viewers.size === 0 || session.state === "ended") continue;
      for (const viewer of session.viewers) viewer.awaitsStart = true;
      if ([...session.viewers].some(mayStart)) this.#startShell(session);
      else
        for (const viewer of session.viewers) this.#look(viewer, session.id, () => this.#startShell(session));
    }
  }

  /** @param reason what viewers are told of commands that were not answered */
  disconnect(reason: string): void {
    this.recordings.lost(reason);
    this.execs.failAll(`${reason} before the command was done; it may still be running there`);
    for (const session of this.#sessions.values()) session.apply("agent_lost");
    for (const viewer of this.viewers) viewer.send(encodeToViewer.agentStatus("offline"));
    this.resumeViewers();
  }

  /** Ends a shell of an agent that speaks v1. */
  stopShell(session: string): void {
    this.host.uplink?.send(encodeServer.shellStopSession(session));
  }

  // --- sessions ---

  /** The shells that run, as far as is known. */
  get running(): SessionInfo[] {
    return [...this.#sessions.values()].filter(({ state }) => state === "running").map(({ info }) => info);
  }

  isStarting(id: string): boolean {
    return this.#sessions.get(id)?.state === "starting";
  }

  viewersOf(id: string): readonly ConnectionInfo[] {
    return [...(this.#sessions.get(id)?.viewers ?? [])].map(({ connection }) => connection.info);
  }

  /** The PTY has another size. */
  resized(id: string, size: TerminalSize): void {
    const known = this.#sessions.get(id);
    if (known) known.size = size;
  }

  /** The session, made where it is new; null where there are too many. */
  session(id: string): Session | null {
    const known = this.#sessions.get(id);
    if (known || this.#sessions.size >= MAX_SESSIONS) return known ?? null;
    const session = new Session(id, backlogShare(this.#sessions.size + 1));
    this.#sessions.set(id, session);
    // Made by the agent's word alone, after a restart of the gateway: its viewer may come back to it, or not.
    if (isSplitSession(id)) this.#startGrace(session);
    return session;
  }

  /** The session if it is known. */
  knownSession(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  /** The session of a viewer. */
  sessionOf(viewer: Viewer): Session | undefined {
    return viewer.sessionId === null ? undefined : this.#sessions.get(viewer.sessionId);
  }

  // --- viewers ---

  /** @param sessionId null for a viewer that only runs commands */
  enter(viewer: Viewer, sessionId: string | null): void {
    for (const earlier of this.viewers) {
      if (earlier.id !== viewer.id) continue;
      this.leave(earlier);
      earlier.connection.close(CLOSE_VIEWER_REPLACED, "the same viewer connected again");
    }
    this.viewers.add(viewer);
    this.host.attendance.entered(viewer.id);
    // One that may run commands and not look is served as one that asked for no session.
    if (sessionId === null || !viewer.connection.rights.watch) return;
    const { census } = this.host;
    const refused = (why: string) => {
      census.ended(sessionId);
      this.#refuse(viewer, sessionId, why);
    };
    if (!mayStart(viewer)) {
      this.#look(viewer, sessionId, () => this.#attach(viewer, sessionId, refused));
      return;
    }
    census.admit(sessionId, {
      isWanted: () => this.viewers.has(viewer),
      granted: () => this.#attach(viewer, sessionId, refused),
      refused,
    });
  }

  /** @param forGood the viewer said goodbye, and will not be back: what is its alone ends at once */
  leave(viewer: Viewer, forGood = false): void {
    if (!this.viewers.delete(viewer)) return;
    this.host.attendance.left(viewer.id, forGood);
    this.#pausedViewers.delete(viewer);
    this.execs.viewerLeft(viewer);
    const session = this.sessionOf(viewer);
    viewer.left?.({ ...viewer.passed, ...session?.end });
    viewer.sessionId = null;
    if (session) {
      session.viewers.delete(viewer);
      this.host.controls.left(session.id, viewer.id, forGood);
      // A viewer that has seen the shell end and comes back wants a new one; one that has not is told of the end first.
      if (session.state !== "ended") session.backlog.leave(viewer.id);
      if (session.viewers.size === 0) this.#abandon(session, forGood);
    }
    this.updateFlow();
    this.host.forgetIfEmpty();
  }

  /** Closes all viewers and forgets all sessions. @param shellError what viewers of a session are told before */
  end(code: number, reason: string, shellError?: string): void {
    for (const viewer of [...this.viewers]) {
      const id = viewer.sessionId;
      if (id !== null && shellError !== undefined) viewer.send(encodeToViewer.shellError(id, shellError));
      viewer.connection.close(code, reason);
      this.leave(viewer);
    }
    for (const { graceTimer } of this.#sessions.values()) if (graceTimer) clearTimeout(graceTimer);
    this.#sessions.clear();
    this.#pendingStops.clear();
  }

  /** To be called now and then: see `Viewer.check`. */
  check(now: number): void {
    for (const viewer of this.viewers) viewer.check(now);
  }

  // --- flow ---

  /** Pauses the agent or goes on: see `flow.ts`. To be called whenever a viewer got or took output, came or went. */
  updateFlow(): void {
    const { uplink, isWatched } = this.host;
    if (!uplink) return;
    const waiting = [...this.viewers].filter((viewer) => viewer.isWatching).map((viewer) => viewer.buffered);
    if (!isWatched && shouldPause(uplink.connection.isPaused, waiting)) uplink.connection.pause();
    else uplink.connection.resume();
    if (uplink.link) this.#demand.update(this.#sessions.values());
  }

  /** The agent does not take this viewer's input: the viewer is not read until the agent does. */
  pauseViewer(viewer: Viewer): void {
    this.#pausedViewers.add(viewer);
    viewer.connection.pause();
  }

  resumeViewers(): void {
    const { uplink } = this.host;
    if (uplink && uplink.connection.buffered > LOW_BYTES) return;
    for (const viewer of this.#pausedViewers) viewer.connection.resume();
    this.#pausedViewers.clear();
  }

  // --- internal ---

  #refuse(viewer: Viewer, sessionId: string, why: string): void {
    viewer.send(encodeToViewer.shellError(sessionId, why));
    viewer.connection.close(CLOSE_TRY_LATER, why);
  }

  /** For a viewer that may start none: goes on where the session runs. */
  #look(viewer: Viewer, sessionId: string, goOn: () => void): void {
    const decide = (sessions: SessionInfo[] | null) => {
      if (!this.viewers.has(viewer)) return;
      if (sessions?.some(({ session, ended_at }) => session === sessionId && ended_at === null)) goOn();
      else this.#refuse(viewer, sessionId, NOTHING_TO_SEE);
    };
    this.host.list().then(decide).catch(this.host.fault);
  }

  #startShell(session: Session): void {
    session.apply("start_sent");
    this.#demand.reset(session.id);
    const start = { session_id: session.id, new_session: session.id !== MAIN_SESSION };
    this.host.uplink?.send(encodeServer.shellStart(start));
  }

  #attach(viewer: Viewer, sessionId: string, refused: (why: string) => void): void {
    const session = this.session(sessionId);
    if (!session) {
      refused("this agent has too many sessions");
      return;
    }
    if (session.graceTimer) clearTimeout(session.graceTimer);
    session.graceTimer = null;
    this.#pendingStops.delete(session.id);
    viewer.sessionId = session.id;
    this.host.controls.entered(session.id, viewer.id);
    // No await between the backlog and the live output: nothing is missed, nothing comes twice.
    const { text, lost, known } = session.backlog.comeBack(viewer.id);
    if (lost > 0) viewer.send(encodeToViewer.output(skipMarker(lost)));
    const shown = known || session.state === "ended" ? text : session.backlog.recent();
    if (shown) viewer.send(encodeToViewer.output(shown));
    session.viewers.add(viewer);
    if (this.recordings.joined(session, viewer.connection.info)) viewer.send(encodeToViewer.output(RECORDED));
    const created = session.state === "unknown" || session.state === "ended";
    viewer.left = this.host.audit.joined(viewer.connection.info, {
      session: session.id,
      created: created && session.viewers.size === 1 && !known,
      resumed: known,
      protocol: "v1",
    });
    // A viewer that was away while the shell ended hears of that, and is not put into a new one.
    if (known && session.stop) {
      viewer.send(encodeToViewer.shellStopped(session.stop));
      return;
    }
    viewer.awaitsStart = true;
    this.#startShell(session);
  }

  /**
   * The last viewer has left. The shared shell lives on; a viewer's own ends with it, or after a grace period if the
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
    const { agentId, census, uplink } = this.host;
    session.graceTimer = null;
    if (session.viewers.size > 0 || this.host.watches(session.id)) return;
    this.#sessions.delete(session.id);
    census.ended(session.id);
    if (session.state !== "ended") {
      const cause = { level: "info", kind: "ended sessions", who: agentId, atOnce: 5 } as const;
      gather(this.#logger, cause, `session ${session.id} ends: nobody is left on it`);
      if (uplink) uplink.send(encodeServer.shellStopSession(session.id));
      else this.#pendingStops.add(session.id);
    }
    this.host.forgetIfEmpty();
  }
}

// --- internal ---

function mayStart({ connection }: Viewer): boolean {
  return connection.rights.use;
}
