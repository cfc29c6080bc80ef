/** What `attach` is given and tells, and what each of the two protocols implements for it. */
import type { Clock } from "../../lib/clock.ts";
import { ExitCode, RexecError } from "../../lib/errors.ts";
import type { LinkSocket, SocketClose } from "../../link/socket.ts";
import { CLOSE_SESSION_ENDED } from "../../protocol/close-codes.ts";
import type { ViewerTerminal } from "../../protocol/v2/control.ts";
import { type Conversation, lostBy, type RetryTimes, type Step } from "../reconnect.ts";
import type { EscapeKey } from "../terminal/escape-key.ts";
import type { InputPump, InputSink } from "../terminal/input-pump.ts";
import type { Terminal, TerminalSize } from "../terminal/terminal.ts";
import type { ViewerTarget } from "../viewer.ts";
import type { Wait } from "../waiting.ts";

/** What the user is told on the way. */
export type AttachStatus =
  | { kind: "connected"; v2: boolean }
  | { kind: "lost"; reason: string; retryInMs: number }
  | { kind: "reconnected" }
  /** The viewers that the session has already. */
  | { kind: "others"; text: string }
  /** The recording of the session begins or ends. */
  | { kind: "recorded"; on: boolean }
  | { kind: "agent"; online: boolean }
  /** Bytes of output that are lost. */
  | { kind: "skipped"; bytes: number }
  /** Bytes of input that may not have arrived. */
  | { kind: "input_lost"; bytes: number }
  /** Whether this viewer may type, or another one alone. */
  | { kind: "control"; text: string; isHolder?: boolean }
  /** The session has another size than this terminal. */
  | { kind: "size"; cols: number; rows: number };

/** The user left, or was told to. */
export interface Left {
  kind: "left";
  /** The session that is still there, or null where it ended with us. */
  livesOn: string | null;
  /** False where the server may end it: one of v1 ends all shells of a machine with its last viewer. */
  isKept: boolean;
}

/** How a shell that was shown ended. */
export type AttachEnd = Left | { kind: "exited"; exitCode: number };

/** What is shown, where, and how the user leaves. */
export interface AttachOptions {
  target: ViewerTarget;
  /** Default: the shared one, or with `target.newSession` this viewer's own. */
  session?: string | undefined;
  /** False: never start a shell. */
  create?: boolean | undefined;
  /** This is run in place of a shell, once at most: for the shell there, and as lists show it. */
  command?: { line: string; shown: string } | undefined;
  /** Record the session, where the server allows it. */
  record?: boolean | undefined;
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
}

/** What the two implementations of `Shell` work with. */
export interface AttachContext extends AttachOptions {
  clock: Clock;
  input: InputPump;
  /** Ends everything with that error. */
  fail(error: unknown): void;
}

/** A shell by one of the two protocols, over all of its connections. `attach` owns it. */
export interface Shell extends InputSink {
  readonly subprotocol: string;
  readonly times: RetryTimes;
  /** Before anything is shown or read. @throws RexecError where the protocol cannot do what is asked for */
  prepare(first: LinkSocket): Promise<void>;
  /** The shell on a connection. @param attached as `Kept.converse` is given it */
  on(connection: LinkSocket, attached: () => boolean): ShellConversation;
  /** The connection was lost. @throws RexecError where going on makes no sense */
  onLost(reason: string): void;
  /** What becomes of the session that the user has left. */
  left(): Promise<Omit<Left, "kind">>;
}

/** A shell on one connection. Ends with an exit code. */
export interface ShellConversation extends Conversation<number> {
  resize(size: TerminalSize): void;
}

/** A closed connection of a shell. @throws as `lostBy` */
export function afterClose(close: SocketClose): Step<number> {
  return close.code === CLOSE_SESSION_ENDED ? { kind: "ended", end: ExitCode.ok } : lostBy(close);
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
