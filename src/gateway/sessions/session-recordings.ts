/** What rooms tell the recordings of their gateway. */
import type { Principal } from "../auth/principal.ts";
import type { AgentRow } from "../store/agents.ts";
import type { Mirror } from "./mirror.ts";

/** A viewer that joins a session, or starts a command. */
export interface Recorded {
  readonly agentId: string;
  readonly principal: Principal;
  readonly address: string;
  /** It asks for a recording. */
  readonly asks: boolean;
}

/** Bytes and the end of what has no mirror. None of it throws or waits. */
export interface RecordingSink {
  readonly id: string;
  output(stream: "o" | "e" | "i", bytes: Uint8Array): void;
  resized(cols: number, rows: number): void;
  /** Output that did not come this way. */
  gap(bytes: number): void;
  end(end: { exit_code: number | null; signal: string | null; interrupted: string | null }): void;
}

/** What is known of a session or a command at its beginning. */
export interface RecordedThing {
  readonly session: string;
  readonly instance: string;
  readonly kind: "shell" | "run";
  readonly command: string;
  readonly cols: number;
  readonly rows: number;
}

/** Owned by the gateway. No method throws or waits. */
export interface SessionRecordings {
  /** The agent is there: its tags count from now on. */
  agentConnected(agent: AgentRow): void;
  /** Whether the session is recorded once this viewer has joined. */
  isRecorded(instance: string, viewer: Recorded): boolean;
  /** A viewer has joined the session. @param created it has started the session */
  joined(mirror: Mirror, viewer: Recorded, created: boolean): void;
  /** A viewer types into the session. */
  typed(agentId: string, instance: string, bytes: Uint8Array): void;
  /** A command, or a shell that v1 messages tell of, begins. Null where it is not recorded. */
  begins(thing: RecordedThing, viewer: Recorded): RecordingSink | null;
  /** On request. False where it is not allowed, or recorded already. */
  start(mirror: Mirror, viewer: Recorded): boolean;
  /** Ends the recording of a session. False where there is none, or a policy wants it. */
  stop(agentId: string, instance: string): boolean;
}
