/** One shell of an agent as v1 messages tell of it: its state, its viewers, and its output as text. */
import { DEFAULT_COLS, DEFAULT_ROWS } from "../../protocol/limits.ts";
import type { SessionInfo } from "../../protocol/v2/control.ts";
import { Backlog } from "./backlog.ts";
import type { TerminalSize, Viewer } from "./viewer.ts";

/** Sessions of one agent that are kept track of; what an agent says of more is ignored. */
export const MAX_SESSIONS = 256;

/** `shell_stopped` as viewers hear it. */
export interface ShellStop {
  session_id: string;
  exit_code?: number | null | undefined;
  signal?: string | null | undefined;
}

/** `unknown`: the gateway has not heard of it since it came up, or since the agent was away. */
export type ShellState = "unknown" | "starting" | "running" | "ended";
export type ShellEvent = "start_sent" | "started" | "output" | "stopped" | "failed" | "agent_lost";

/** The next state; an event that means nothing there changes nothing. */
export function nextState(state: ShellState, event: ShellEvent): ShellState {
  switch (event) {
    case "start_sent":
      return state === "running" ? "running" : "starting";
    case "started":
      return "running";
    case "output":
      return state === "ended" ? "ended" : "running";
    case "stopped":
      return "ended";
    case "failed":
      return state === "starting" ? "ended" : state;
    case "agent_lost":
      return state === "ended" ? "ended" : "unknown";
  }
}

/** Owned by a room's adapter, until its grace period is over or the agent is away for good. */
export class Session {
  readonly id: string;
  readonly viewers = new Set<Viewer>();
  readonly backlog: Backlog;
  /** What the PTY was last set to through us. */
  size: TerminalSize | null = null;
  /** How its shell ended; null while there is one, or none yet. */
  stop: ShellStop | null = null;
  /** Ends a split session to which its viewer did not come back. */
  graceTimer: Timer | null = null;
  #state: ShellState = "unknown";
  #decoder = newDecoder();
  /** When it was first heard of, Unix milliseconds. */
  #startedAt = Date.now();
  #lastOutputAt: number | null = null;
  #bytes = 0;

  /** @param backlogBytes what may be kept of its output */
  constructor(id: string, backlogBytes?: number) {
    this.id = id;
    this.backlog = new Backlog(backlogBytes);
  }

  get state(): ShellState {
    return this.#state;
  }

  /** As lists have it. What a v1 agent does not say is left at nothing. */
  get info(): SessionInfo {
    return {
      session: this.id,
      instance: this.id,
      kind: "shell",
      command: "",
      started_at: this.#startedAt,
      last_output_at: this.#lastOutputAt,
      ended_at: null,
      exit_code: null,
      signal: null,
      bytes: this.#bytes,
      cols: this.size?.cols ?? DEFAULT_COLS,
      rows: this.size?.rows ?? DEFAULT_ROWS,
      viewers: this.viewers.size,
    };
  }

  /** How its shell ended; nothing while there is one. */
  get end(): { exit_code: number | null; signal: string | null } | null {
    return this.stop && { exit_code: this.stop.exit_code ?? null, signal: this.stop.signal ?? null };
  }

  apply(event: ShellEvent): void {
    const before = this.#state;
    this.#state = nextState(before, event);
    if (before !== "running" && before !== "unknown" && this.#state === "running")
      this.#startedAt = Date.now();
  }

  /**
   * Output as text: decoded once for all viewers, and across messages, so that characters come out whole even from an
   * agent that splits them. May be empty.
   */
  decode(bytes: Uint8Array): string {
    this.#bytes += bytes.length;
    this.#lastOutputAt = Date.now();
    return this.#remember(this.#decoder.decode(bytes, { stream: true }));
  }

  /** The end of the output: what is left of an unfinished character. */
  flush(): string {
    const text = this.#remember(this.#decoder.decode());
    this.#decoder = newDecoder();
    return text;
  }

  #remember(text: string): string {
    if (text) this.backlog.append(text);
    return text;
  }
}

// --- internal ---

/** A byte order mark in a terminal's output is output. */
function newDecoder(): TextDecoder {
  return new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
}
