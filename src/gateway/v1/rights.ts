/** What a viewer by v1 may do in its session, and how it is told that it may not. */
import { isReport } from "../../protocol/terminal-reports.ts";
import type { ExecRequest } from "../../protocol/v1.ts";
import { encodeToViewer } from "../../protocol/v1-viewer.ts";
import { type Controls, type InputRefusal, refusalText } from "../sessions/control.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import { failure } from "./exec-router.ts";
import type { Session } from "./session.ts";
import type { Viewer } from "./viewer.ts";

/** The adapter, as far as rights go. */
interface HasControls {
  readonly host: {
    readonly controls: Controls;
    inputRefused(viewer: ConnectionInfo, session: string, refusal: InputRefusal): void;
  };
}

/** Told to a viewer that may only look, where there is nothing to look at. */
export const NOTHING_TO_SEE =
  "read-only: no shell runs here that you could look at, and you cannot start one";

/** Why the viewer may not type there, or null where it may. */
export function refusalOf(v1: HasControls, viewer: Viewer, session: Session): InputRefusal | null {
  const seat = { viewer: viewer.id, mayUse: viewer.connection.rights.use };
  return v1.host.controls.refusal(session.id, seat);
}

/** Whether these bytes may go to the session; a viewer is told once that they may not. */
export function mayType(v1: HasControls, viewer: Viewer, session: Session, bytes: Uint8Array): boolean {
  const refusal = refusalOf(v1, viewer, session);
  if (refusal === null) viewer.told = null;
  if (refusal === null || refusal === viewer.told || isReport(bytes)) return refusal === null;
  viewer.told = refusal;
  const { controls } = v1.host;
  viewer.send(encodeToViewer.shellError(session.id, refusalText(refusal, controls.holderOf(session.id))));
  v1.host.inputRefused(viewer.connection.info, session.id, refusal);
  return false;
}

/** Whether the viewer may run commands; the command has failed where it may not. */
export function mayRun(viewer: Viewer, { command, id }: ExecRequest): boolean {
  if (viewer.connection.rights.exec) return true;
  viewer.refuse(failure(command, id, "you may not run commands on this machine"));
  return false;
}
