/** A session as rexec.v2 describes it. */
import type { SessionInfo } from "../../protocol/v2/control.ts";
import type { Session } from "../session.ts";

/** `viewers` is for the gateway to fill in. */
export function infoOfSession(session: Session): SessionInfo {
  return {
    session: session.id,
    instance: session.instance,
    kind: "shell",
    command: session.command,
    started_at: session.startedAt,
    last_output_at: session.lastOutputAt,
    ended_at: session.endedAt,
    exit_code: session.exit?.exitCode ?? null,
    signal: session.exit?.signal ?? null,
    bytes: session.ring.end,
    cols: session.cols,
    rows: session.rows,
    viewers: 0,
  };
}
