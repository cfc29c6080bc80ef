/** What was refused, in words. */
import { counted } from "../../lib/count.ts";
import { ExitCode, RexecError } from "../../lib/errors.ts";
import type { OwnerMessage } from "../../protocol/v2/control.ts";
import { shellFailed } from "../shell/attach-context.ts";

export type Refused = Extract<OwnerMessage, { type: "refused" }>;

/** The shell that was looked at is not there any more. @param unapplied bytes of input that did not arrive */
export function sessionGone(unapplied: number): RexecError {
  const input =
    unapplied > 0
      ? `, and ${counted(unapplied, "byte")} typed meanwhile ${unapplied === 1 ? "was" : "were"} not delivered`
      : "";
  return new RexecError(`the shell is gone${input}`, {
    code: "session_gone",
    hint: "its agent was started anew, or the shell ended long ago: rexec sessions shows what there is",
  });
}

/** There is none of that name. */
export function unknownSession(session: string): RexecError {
  return new RexecError(`there is no session "${session}"`, {
    code: "unknown_session",
    hint: "rexec sessions shows what there is",
    exitCode: ExitCode.rejected,
  });
}

/** Why no shell could be attached to; `gone` and `lost` are others' business. */
export function attachRefused({ code, message }: Refused): RexecError {
  if (code === "failed") return shellFailed(message);
  return new RexecError(`the session was refused: ${message}`, { code, hint: HINTS[code] });
}

// --- internal ---

const HINTS: Partial<Record<Refused["code"], string>> = {
  too_many_sessions: "end some: rexec sessions, rexec kill",
  not_allowed: "ask a manager of the machine for the right to use it",
  too_many_channels: "leave some of the connections to that machine",
};
