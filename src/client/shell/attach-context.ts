/** What showing a remote shell needs and may say, whichever protocol is spoken. */
import type { BackoffOptions } from "../../lib/backoff.ts";
import type { Clock } from "../../lib/clock.ts";
import { ExitCode, RexecError } from "../../lib/errors.ts";
import {
  CLOSE_DELETED,
  CLOSE_SESSION_ENDED,
  CLOSE_VIEWER_REPLACED,
  tokenEnd,
} from "../../protocol/close-codes.ts";
import type { ViewerTerminal } from "../../protocol/v2/control.ts";
import type { SocketClose } from "../socket.ts";
import type { EscapeKey } from "../terminal/escape-key.ts";
import type { InputPump } from "../terminal/input-pump.ts";
import type { Terminal } from "../terminal/terminal.ts";
import type { ViewerTarget } from "../viewer.ts";
import type { Wait } from "../waiting.ts";

/** What a person may be told on the way. */
export type AttachStatus =
  | { kind: "connected"; v2: boolean }
  | { kind: "lost"; reason: string; retryInMs: number }
  | { kind: "reconnected" }
  /** Who looks at it already. */
  | { kind: "others"; text: string }
  | { kind: "agent"; online: boolean }
  /** Bytes of output that nobody can show any more. */
  | { kind: "skipped"; bytes: number }
  /** Bytes of input of which nobody knows whether they arrived. */
  | { kind: "input_lost"; bytes: number }
  /** The session has another size than this terminal. */
  | { kind: "size"; cols: number; rows: number };

/** The person left, or was told to. */
export interface Left {
  kind: "left";
  /** The session that is still there, or null where it ended with us. */
  livesOn: string | null;
  /** False where the server may end it: one of v1 ends all shells of a machine with its last viewer. */
  isKept: boolean;
}

export type AttachEnd = Left | { kind: "exited"; exitCode: number };

export interface AttachOptions {
  target: ViewerTarget;
  /** Default: the shared one, or with `target.newSession` this viewer's own. */
  session?: string | undefined;
  /** False: never start a shell. */
  create?: boolean | undefined;
  /** This is run in place of a shell, once at most: for the shell there, and as lists show it. */
  command?: { line: string; shown: string } | undefined;
  terminal: Terminal;
  /** What that is, for a shell that is started for it. */
  look?: ViewerTerminal | undefined;
  /** The key that leaves; null for none. Default: Ctrl+]. */
  escapeKey?: EscapeKey | null | undefined;
  status(status: AttachStatus): void;
  /** For a machine that is away for a moment, before the first connection. */
  wait?: Omit<Wait, "signal" | "clock"> | undefined;
  signal: AbortSignal;
  clock?: Clock;
  /** Of v1. */
  backoff?: BackoffOptions;
}

/** What both protocols work with. */
export interface AttachContext extends AttachOptions {
  clock: Clock;
  input: InputPump;
  /** Ends everything with that error. */
  fail(error: unknown): void;
}

/** How one connection ended. */
export type Step = { kind: "left" } | { kind: "exited"; exitCode: number } | { kind: "lost"; reason: string };

/** What a closed connection means. @throws RexecError `viewer_replaced`, `agent_deleted`, `token_revoked`, `token_expired` */
export function afterClose({ code, reason }: SocketClose): Step {
  if (code === CLOSE_SESSION_ENDED) return { kind: "exited", exitCode: ExitCode.ok };
  if (code === CLOSE_VIEWER_REPLACED) {
    throw new RexecError("this session was taken over by another connection", { code: "viewer_replaced" });
  }
  if (code === CLOSE_DELETED) {
    const end = tokenEnd(reason);
    if (end) {
      throw new RexecError(`the token ${end === "revoked" ? "was revoked" : "expired"}`, {
        code: `token_${end}`,
        hint: "log in with another one: rexec login (or set REXEC_TOKEN)",
        exitCode: ExitCode.rejected,
      });
    }
    throw new RexecError("the agent was removed", {
      code: "agent_deleted",
      hint: "rexec ls shows what is left; rexec whoami checks the login",
      exitCode: ExitCode.rejected,
    });
  }
  return { kind: "lost", reason: reason || `connection closed (${code})` };
}

/** No shell could be started. */
export function shellFailed(why: string): RexecError {
  return new RexecError(`no shell: ${why}`, {
    code: "shell_failed",
    hint: "check the shell and the working folder in that agent's configuration",
  });
}

/** Also for the calls of the API. */
export function noSessions(): RexecError {
  return new RexecError("this server or agent knows no sessions by name: it speaks rexec.v1", {
    code: "no_sessions",
    hint: "rexec connect reaches its shared shell; newer versions of both can do more",
  });
}

/** A terminal for one command is beyond that server or agent. */
export function noTerminalCommands(): RexecError {
  return new RexecError("this server or agent cannot run a single command on a terminal", {
    code: "no_terminal_commands",
    hint: "update it, run the command without -t, or open a shell: rexec connect",
  });
}
