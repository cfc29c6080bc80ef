/** What a command was asked for, how it ended, and what is known of it that outlives its connections. */
import type { InputWriter } from "../../link/input-writer.ts";
import type { OutputReader } from "../../link/output-reader.ts";
import type { LinkSocket } from "../../link/socket.ts";
import type { Sink } from "../stream/sink.ts";

/** The agent enforces a timeout; it gets this much longer to say so, ms. */
export const TIMEOUT_GRACE_MS = 5_000;

/** A command, by either protocol. */
export interface RunOptions {
  /** For the remote shell, quoted already. */
  command: string;
  /** The same for lists. */
  shown: string;
  timeoutMs?: number | undefined;
  lingerMs?: number | undefined;
  cwd?: string | undefined;
  env?: Record<string, string> | undefined;
  /** Null for none. */
  stdin: AsyncIterable<Uint8Array> | null;
  /** Each resolves once the bytes were taken. */
  stdout(bytes: Uint8Array): Promise<void>;
  stderr(bytes: Uint8Array): Promise<void>;
  /** The line was lost for so long that it is worth a word, or is back. */
  status(status: { kind: "lost"; reason: string } | { kind: "reconnected" } | { kind: "recorded" }): void;
  /** Run it also where an agent of rexec.v1 ignores all of these but the command. */
  allowBasic?: boolean | undefined;
}

/** How the command ended, whichever protocol told it. */
export interface RunEnd {
  command: string;
  success: boolean;
  /** What `rexec exec` exits with. */
  exitCode: number;
  signal: string | null;
  timedOut: boolean;
  /** A process that it left still held its output, of which the rest is lost. */
  leftOpen: boolean;
  /** A result of rexec.v1 could not carry all of the output. */
  truncated: boolean;
  /** Undefined where the agent does not tell. */
  durationMs: number | undefined;
  /** Why it could not be started; else null. */
  neverRan: string | null;
  /** What the agent said of a failure. */
  error: string | undefined;
  /** Stdout and stderr as one text, where the agent does not tell them apart; else null: the sinks had them. */
  merged: string | null;
  /** The agent ignored timeout, folder, environment and stdin. */
  basic: boolean;
}

/** A command by one of the two protocols, to be run once. */
export interface RemoteCommand {
  /**
   * Runs it to its end.
   * @param first open already; closed by this
   */
  run(first: LinkSocket): Promise<RunEnd>;
  /** Null for rexec.v1, which has no signals: a viewer that leaves leaves the command running. */
  readonly control: RunControl | null;
}

/** Reaches a command while it runs. */
export interface RunControl {
  /** Sends a signal to the command's process group, now or once there is a line again. */
  signal(name: string): void;
  /** Leaves at once; the command is hung up. `run` throws `interrupted` with that exit code. */
  leave(exitCode: number): void;
  /** As `leave`, for a process that is ending: says so if it can, and waits for nothing. */
  abandon(): void;
}

/** State of a run of rexec.v2 over all of its connections. */
export interface RunState {
  readonly id: string;
  readonly options: RunOptions;
  readonly stdin: InputWriter;
  readonly stdout: OutputReader;
  readonly stderr: OutputReader;
  readonly sinks: readonly Sink[];
  /** It was asked for once: never again without `resume`. */
  asked: boolean;
  startedAt: number | null;
  /** Signals that could not be sent yet. */
  readonly signals: string[];
}
