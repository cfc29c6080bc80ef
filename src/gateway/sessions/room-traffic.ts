/** What passes through a room: messages of the agent to its viewers, and theirs to it. */
import type { Logger } from "../../lib/log.ts";
import { MAIN_SESSION } from "../../protocol/ids.ts";
import { INPUT_CHUNK_BYTES, MAX_TERMINAL_SIDE } from "../../protocol/limits.ts";
import { type AgentMessage, type ExecRequest, encodeServer } from "../../protocol/v1.ts";
import { encodeToViewer, type ViewerMessage } from "../../protocol/v1-viewer.ts";
import { failure } from "../v1/exec-router.ts";
import { HIGH_BYTES, SKIP_BYTES } from "../v1/flow.ts";
import type { TerminalSize, Viewer } from "../v1/viewer.ts";
import type { Room } from "./room.ts";
import type { Session, ShellStop } from "./session.ts";

/** From the agent. */
export function fromAgent(room: Room, message: AgentMessage, logger: Logger): void {
  switch (message.type) {
    case "system_info":
      room.systemInfo = message.data;
      break;
    case "stats":
      room.stats = message.data;
      forEachViewer(room, (viewer) => viewer.sendOptional(encodeToViewer.stats(message.data)));
      break;
    case "shell_output":
      output(room, message.data.session_id, message.data.data);
      break;
    case "shell_starting":
      tellWaiting(room, message.data.session_id, encodeToViewer.shellStarting);
      break;
    case "shell_started":
      started(room, message.data.session_id);
      break;
    case "shell_stopped":
      stopped(room, { ...message.data, session_id: message.data.session_id || MAIN_SESSION });
      break;
    case "shell_error":
      failed(room, message.data.session_id, message.data.error);
      break;
    case "exec_result":
      if (!room.execs.settle(message.data)) logger.debug("a result that nobody waits for");
      room.updateFlow();
      break;
    case "pong":
    case "ping":
      break; // any message is a sign of life
  }
}

/** A text frame of a viewer. */
export function fromViewer(room: Room, viewer: Viewer, message: ViewerMessage): void {
  switch (message.type) {
    case "input":
      input(room, viewer, Buffer.from(message.data));
      break;
    case "resize":
      resize(room, viewer, message.cols, message.rows);
      break;
    case "exec":
      exec(room, viewer, message.data);
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
export function input(room: Room, viewer: Viewer, bytes: Uint8Array): void {
  const { uplink } = room;
  const session = room.sessionOf(viewer);
  if (!uplink || !session || bytes.length === 0) return;
  applySize(room, session, viewer.size); // whoever types has the terminal in his size
  for (let from = 0; from < bytes.length; from += INPUT_CHUNK_BYTES) {
    uplink.send(encodeServer.shellInput(session.id, bytes.subarray(from, from + INPUT_CHUNK_BYTES)));
  }
  if (uplink.connection.buffered > HIGH_BYTES) room.hold(viewer);
}

// --- internal ---

function output(room: Room, sessionId: string, bytes: Uint8Array): void {
  const session = room.session(sessionId || MAIN_SESSION);
  if (!session) return;
  session.apply("output");
  show(room, session, session.decode(bytes), bytes.length);
}

function show(room: Room, session: Session, text: string, bytes: number): void {
  if (!text || session.viewers.size === 0) return;
  const frame = encodeToViewer.output(text);
  const othersAreFast = anyoneFast(room, session);
  for (const viewer of session.viewers) viewer.sendOutput(frame, bytes, othersAreFast);
  room.updateFlow();
}

/** Whether the agent will be read on although some viewer of this session is far behind. */
function anyoneFast(room: Room, session: Session): boolean {
  const behind = [...session.viewers].some((viewer) => viewer.buffered > SKIP_BYTES);
  return behind && (room.desk.isWatched || anyViewerFast(room));
}

function anyViewerFast(room: Room): boolean {
  return [...room.viewers].some((viewer) => viewer.isWatching && viewer.buffered <= HIGH_BYTES);
}

function started(room: Room, sessionId: string): void {
  const session = room.knownSession(sessionId || MAIN_SESSION);
  if (!session) return;
  const isNew = session.state !== "running";
  session.apply("started");
  session.stop = null;
  // A size that came before the shell did may have found nobody there.
  if (isNew && session.size)
    room.uplink?.send(encodeServer.shellResize({ session_id: session.id, ...session.size }));
  for (const viewer of session.viewers) {
    if (!viewer.awaitsStart) continue;
    viewer.awaitsStart = false;
    viewer.send(encodeToViewer.shellStarted(session.id));
  }
}

function stopped(room: Room, stop: ShellStop): void {
  const session = room.knownSession(stop.session_id);
  if (!session) return;
  show(room, session, session.flush(), 0);
  session.apply("stopped");
  session.backlog.shellEnded();
  room.census.ended(session.id);
  session.stop = stop;
  for (const viewer of session.viewers) viewer.send(encodeToViewer.shellStopped(stop));
}

function failed(room: Room, sessionId: string, error: string): void {
  const session = room.knownSession(sessionId || MAIN_SESSION);
  if (!session) return;
  session.apply("failed");
  if (session.state !== "running") room.census.ended(session.id);
  for (const viewer of session.viewers) viewer.send(encodeToViewer.shellError(sessionId, error));
}

function tellWaiting(room: Room, sessionId: string, encode: (id: string) => string): void {
  const session = room.knownSession(sessionId || MAIN_SESSION);
  for (const viewer of session?.viewers ?? []) if (viewer.awaitsStart) viewer.send(encode(session?.id ?? ""));
}

function resize(room: Room, viewer: Viewer, cols: unknown, rows: unknown): void {
  if (!isSide(cols) || !isSide(rows)) return; // nonsense, as the contract has it
  const first = viewer.size === null;
  viewer.size = { cols, rows };
  const session = room.sessionOf(viewer);
  if (!session || !room.uplink) return;
  const same = session.size?.cols === cols && session.size.rows === rows;
  // A viewer that joins a running shell in the size that it has already sees nothing until something is drawn anew:
  // one row less and back makes the program do that, as any change of size does.
  if (same && first && session.state === "running" && rows > 1) {
    room.uplink.send(encodeServer.shellResize({ session_id: session.id, cols, rows: rows - 1 }));
    session.size = null;
  }
  applySize(room, session, viewer.size);
}

/** The PTY has the size of the viewer that last resized or typed. */
function applySize(room: Room, session: Session, size: TerminalSize | null): void {
  if (!size || (session.size?.cols === size.cols && session.size.rows === size.rows)) return;
  session.size = size;
  room.uplink?.send(encodeServer.shellResize({ session_id: session.id, ...size }));
}

function exec(room: Room, viewer: Viewer, request: ExecRequest): void {
  if (!room.uplink) {
    viewer.refuse(failure(request.command, request.id, "the agent is offline"));
    return;
  }
  const wire = room.execs.submit(viewer, request);
  if (!wire) return;
  room.uplink.send(encodeServer.exec(wire));
  if (room.uplink.connection.buffered > HIGH_BYTES) room.hold(viewer);
  room.updateFlow();
}

function isSide(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= MAX_TERMINAL_SIDE;
}

function forEachViewer(room: Room, tell: (viewer: Viewer) => void): void {
  for (const viewer of room.viewers) tell(viewer);
}
