/** What passes through the adapter: messages of the agent to its viewers, and of the viewers to the agent. */
import type { Logger } from "../../lib/log.ts";
import { MAIN_SESSION } from "../../protocol/ids.ts";
import { INPUT_CHUNK_BYTES, MAX_TERMINAL_SIDE } from "../../protocol/limits.ts";
import { type AgentMessage, type ExecRequest, encodeServer } from "../../protocol/v1.ts";
import { encodeToViewer, type ViewerMessage } from "../../protocol/v1-viewer.ts";
import type { V1Adapter } from "./adapter.ts";
import { failure } from "./exec-router.ts";
import { HIGH_BYTES, SKIP_BYTES } from "./flow.ts";
import { mayRun, mayType, refusalOf } from "./rights.ts";
import type { Session, ShellStop } from "./session.ts";
import type { TerminalSize, Viewer } from "./viewer.ts";

/** From the agent. */
export function fromAgent(v1: V1Adapter, message: AgentMessage, logger: Logger): void {
  switch (message.type) {
    case "system_info":
      v1.host.systemInfo = message.data;
      break;
    case "stats":
      v1.host.stats = message.data;
      forEachViewer(v1, (viewer) => viewer.sendOptional(encodeToViewer.stats(message.data)));
      break;
    case "shell_output":
      output(v1, message.data.session_id, message.data.data);
      break;
    case "shell_starting":
      tellWaiting(v1, message.data.session_id, encodeToViewer.shellStarting);
      break;
    case "shell_started":
      started(v1, message.data.session_id);
      break;
    case "shell_stopped":
      stopped(v1, { ...message.data, session_id: message.data.session_id || MAIN_SESSION });
      break;
    case "shell_error":
      failed(v1, message.data.session_id, message.data.error);
      break;
    case "exec_result":
      if (!v1.execs.settle(message.data)) logger.debug("a result that no viewer waits for");
      v1.updateFlow();
      break;
    case "pong":
    case "ping":
      break; // any message is a sign of life
  }
}

/** A text frame of a viewer. */
export function fromViewer(v1: V1Adapter, viewer: Viewer, message: ViewerMessage): void {
  switch (message.type) {
    case "input":
      input(v1, viewer, Buffer.from(message.data));
      break;
    case "resize":
      resize(v1, viewer, message.cols, message.rows);
      break;
    case "exec":
      exec(v1, viewer, message.data);
      break;
    case "ping":
      viewer.answer(encodeToViewer.pong());
      break;
  }
}

/**
 * Terminal input. While the agent is away it is dropped, visibly, since nothing echoes it: typed blindly it could
 * reach another shell than was meant.
 */
export function input(v1: V1Adapter, viewer: Viewer, bytes: Uint8Array): void {
  const { uplink } = v1.host;
  const session = v1.sessionOf(viewer);
  if (!uplink || !session || bytes.length === 0 || !mayType(v1, viewer, session, bytes)) return;
  viewer.passed.bytes_in += bytes.length;
  v1.recordings.typed(session.id, bytes);
  applySize(v1, session, viewer.size); // the terminal has the size of the viewer that typed
  for (let from = 0; from < bytes.length; from += INPUT_CHUNK_BYTES) {
    uplink.send(encodeServer.shellInput(session.id, bytes.subarray(from, from + INPUT_CHUNK_BYTES)));
  }
  if (uplink.connection.buffered > HIGH_BYTES) v1.pauseViewer(viewer);
}

// --- internal ---

function output(v1: V1Adapter, sessionId: string, bytes: Uint8Array): void {
  const session = v1.session(sessionId || MAIN_SESSION);
  if (!session) return;
  session.apply("output");
  v1.recordings.output(session.id, bytes);
  show(v1, session, session.decode(bytes), bytes.length);
}

function show(v1: V1Adapter, session: Session, text: string, bytes: number): void {
  if (!text || session.viewers.size === 0) return;
  const frame = encodeToViewer.output(text);
  const othersAreFast = anyoneFast(v1, session);
  for (const viewer of session.viewers) viewer.sendOutput(frame, bytes, othersAreFast);
  v1.updateFlow();
}

/** Whether the agent will be read on although a viewer of this session is far behind. */
function anyoneFast(v1: V1Adapter, session: Session): boolean {
  const behind = [...session.viewers].some((viewer) => viewer.buffered > SKIP_BYTES);
  return behind && (v1.host.isWatched || anyViewerFast(v1));
}

function anyViewerFast(v1: V1Adapter): boolean {
  return [...v1.viewers].some((viewer) => viewer.isWatching && viewer.buffered <= HIGH_BYTES);
}

function started(v1: V1Adapter, sessionId: string): void {
  const session = v1.knownSession(sessionId || MAIN_SESSION);
  if (!session) return;
  const isNew = session.state !== "running";
  session.apply("started");
  session.stop = null;
  v1.recordings.started(session);
  // A size that came before the shell did may have been ignored by the agent.
  if (isNew && session.size)
    v1.host.uplink?.send(encodeServer.shellResize({ session_id: session.id, ...session.size }));
  for (const viewer of session.viewers) {
    if (!viewer.awaitsStart) continue;
    viewer.awaitsStart = false;
    viewer.send(encodeToViewer.shellStarted(session.id));
  }
}

function stopped(v1: V1Adapter, stop: ShellStop): void {
  const session = v1.knownSession(stop.session_id);
  if (!session) return;
  show(v1, session, session.flush(), 0);
  session.apply("stopped");
  session.backlog.shellEnded();
  v1.host.census.ended(session.id);
  v1.host.controls.free(session.id);
  session.stop = stop;
  v1.recordings.stopped(stop);
  v1.host.audit.ended({ ...session.info, ...session.end });
  for (const viewer of session.viewers) viewer.send(encodeToViewer.shellStopped(stop));
}

function failed(v1: V1Adapter, sessionId: string, error: string): void {
  const session = v1.knownSession(sessionId || MAIN_SESSION);
  if (!session) return;
  session.apply("failed");
  if (session.state !== "running") v1.host.census.ended(session.id);
  for (const viewer of session.viewers) viewer.send(encodeToViewer.shellError(sessionId, error));
}

function tellWaiting(v1: V1Adapter, sessionId: string, encode: (id: string) => string): void {
  const session = v1.knownSession(sessionId || MAIN_SESSION);
  for (const viewer of session?.viewers ?? []) if (viewer.awaitsStart) viewer.send(encode(session?.id ?? ""));
}

function resize(v1: V1Adapter, viewer: Viewer, cols: unknown, rows: unknown): void {
  if (!isSide(cols) || !isSide(rows)) return; // nonsense, as the contract has it
  const first = viewer.size === null;
  viewer.size = { cols, rows };
  const session = v1.sessionOf(viewer);
  if (!session || !v1.host.uplink || refusalOf(v1, viewer, session) !== null) return;
  const same = session.size?.cols === cols && session.size.rows === rows;
  // A viewer that joins a running shell in the size that it has already sees nothing until something is drawn anew:
  // one row less and back makes the program do that, as any change of size does.
  if (same && first && session.state === "running" && rows > 1) {
    v1.host.uplink.send(encodeServer.shellResize({ session_id: session.id, cols, rows: rows - 1 }));
    session.size = null;
  }
  applySize(v1, session, viewer.size);
}

/** The PTY has the size of the viewer that last resized or typed. */
function applySize(v1: V1Adapter, session: Session, size: TerminalSize | null): void {
  if (!size || (session.size?.cols === size.cols && session.size.rows === size.rows)) return;
  session.size = size;
  v1.recordings.resized(session.id, size);
  v1.host.uplink?.send(encodeServer.shellResize({ session_id: session.id, ...size }));
}

function exec(v1: V1Adapter, viewer: Viewer, request: ExecRequest): void {
  if (!mayRun(viewer, request)) return;
  if (!v1.host.uplink) {
    viewer.refuse(failure(request.command, request.id, "the agent is offline"));
    return;
  }
  const wire = v1.execs.submit(viewer, request);
  if (!wire) return;
  v1.host.uplink.send(encodeServer.exec(wire));
  if (v1.host.uplink.connection.buffered > HIGH_BYTES) v1.pauseViewer(viewer);
  v1.updateFlow();
}

function isSide(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= MAX_TERMINAL_SIDE;
}

function forEachViewer(v1: V1Adapter, tell: (viewer: Viewer) => void): void {
  for (const viewer of v1.viewers) tell(viewer);
}
