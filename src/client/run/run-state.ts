/** What a run was asked for, and what is known of it that outlives its connections. */

import type { InputWriter } from "../../link/input-writer.ts";
import type { OutputReader } from "../../link/output-reader.ts";
import type { Sink } from "../stream/sink.ts";

export interface RunOptions {
  /** For the remote shell, quoted already. */
  command: string;
  /** The same for lists. */
  shown?: string | undefined;
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
  status(status: { kind: "lost"; reason: string } | { kind: "reconnected" }): void;
}

/** How the command ended. */
export interface RunEnd {
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
  /** A process that it left still held its output, of which the rest is lost. */
  leftOpen: boolean;
  durationMs: number;
  /** Why it could not be started; else null. */
  neverRan: string | null;
}

/** What a run knows that outlives its connections. */
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
