/** Recordings of shells that have no mirror: those of agents that speak v1, and those that only v1 viewers look at. */
import type { Mirror } from "../sessions/mirror.ts";
import type { Recorded, RecordingSink, SessionRecordings } from "../sessions/session-recordings.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { Session, ShellStop } from "./session.ts";
import type { TerminalSize } from "./viewer.ts";

/** What it uses of the room. */
export interface ShellRecordingsHost {
  readonly agentId: string;
  readonly recordings: SessionRecordings | null;
  /** Null where the agent speaks v1. */
  readonly link: object | null;
  /** The mirror of a session by its name, where an agent that speaks v2 has it. */
  mirrorNamed(session: string): Promise<Mirror | null>;
  fault(error: unknown): void;
}

/** Owned by the adapter. No method throws or waits. */
export class ShellRecordings {
  readonly #host: ShellRecordingsHost;
  /** Of agents that speak v1, by the names of the sessions. */
  readonly #sinks = new Map<string, RecordingSink>();

  constructor(host: ShellRecordingsHost) {
    this.#host = host;
  }

  /** A viewer has joined. @returns whether the session is recorded */
  joined(session: Session, { principal, address }: ConnectionInfo): boolean {
    const { agentId, recordings } = this.#host;
    const viewer = { agentId, principal, address, asks: false };
    if (!recordings) return false;
    if (this.#host.link) return recordings.isRecorded("", viewer);
    const known = this.#sinks.get(session.id);
    if (known) return true;
    const { id, info } = session;
    const instance = `${agentId} ${id} ${crypto.randomUUID()}`;
    const sink = recordings.begins({ ...info, session: id, instance }, viewer);
    if (sink) this.#sinks.set(id, sink);
    return sink !== null;
  }

  /** Its shell runs: an agent that speaks v2 is asked for its bytes. */
  started(session: Session): void {
    const { recordings, agentId, link, fault } = this.#host;
    const [first] = session.viewers;
    if (!recordings || !link || !first) return;
    const { principal, address } = first.connection.info;
    const viewer = { agentId, principal, address, asks: false };
    if (recordings.isRecorded("", viewer)) this.#mirrored(recordings, session.id, viewer).catch(fault);
  }

  output(session: string, bytes: Uint8Array): void {
    this.#sinks.get(session)?.output("o", bytes);
  }

  typed(session: string, bytes: Uint8Array): void {
    this.#sinks.get(session)?.output("i", bytes);
  }

  resized(session: string, { cols, rows }: TerminalSize): void {
    this.#sinks.get(session)?.resized(cols, rows);
  }

  stopped({ session_id, exit_code = null, signal = null }: ShellStop): void {
    this.#end(session_id, { exit_code, signal, interrupted: null });
  }

  /** The agent is gone: what it prints from now on is another recording. */
  lost(reason: string): void {
    for (const session of [...this.#sinks.keys()])
      this.#end(session, { exit_code: null, signal: null, interrupted: reason });
  }

  // --- internal ---

  async #mirrored(recordings: SessionRecordings, session: string, viewer: Recorded): Promise<void> {
    const mirror = await this.#host.mirrorNamed(session);
    if (mirror) recordings.joined(mirror, viewer, false);
  }

  #end(session: string, end: Parameters<RecordingSink["end"]>[0]): void {
    const sink = this.#sinks.get(session);
    this.#sinks.delete(session);
    sink?.end(end);
  }
}
