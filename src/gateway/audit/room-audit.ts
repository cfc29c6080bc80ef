/** What is recorded of one agent's viewers: the sessions that they open, join and leave, and the commands that they run. */
import type { SessionInfo } from "../../protocol/v2/control.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { AuditEntry, AuditedAgent, AuditLog } from "./audit.ts";
import { commandDetails } from "./command.ts";
import { RunAudit } from "./run-audit.ts";

/** Sessions of one agent that are known to run. */
const MAX_SESSIONS = 8_192;

/** How a viewer came to a session. */
export interface Joined {
  readonly session: string;
  /** It is the first: the session was made for it. */
  readonly created: boolean;
  /** It goes on after a lost connection. */
  readonly resumed?: boolean | undefined;
  /** The command that runs in place of a login shell. */
  readonly command?: string | undefined;
  readonly protocol: "v1" | "v2";
}

/** What passed while a viewer was there, and how the session ended if it did. Bytes. */
export interface Stay {
  /** Typed, and sent on to the session. */
  readonly bytes_in: number;
  /** Output of the session in that time. */
  readonly bytes_out: number;
  readonly exit_code?: number | null | undefined;
  readonly signal?: string | null | undefined;
}

/** Owned by the agent's room. Records at once, waits for nothing. */
export class RoomAudit {
  /** As it was when it last connected. */
  agent: AuditedAgent;
  readonly runs: RunAudit;
  readonly #log: AuditLog;
  /** When each was first seen, Unix milliseconds. */
  readonly #sessions = new Map<string, number>();

  /** @param graceMs see `RunAudit` */
  constructor(log: AuditLog, agent: AuditedAgent, graceMs: number) {
    this.#log = log;
    this.agent = agent;
    this.runs = new RunAudit((viewer, entry) => this.byViewer(viewer, entry), graceMs);
  }

  /** @returns what to call once, when the viewer has left */
  joined(
    viewer: ConnectionInfo,
    { session, created, resumed, command, protocol }: Joined,
  ): (stay: Stay) => void {
    const at = Date.now();
    if (created) this.#sessions.delete(session); // one of that name ended unseen
    this.#remember(session, at);
    this.byViewer(viewer, {
      action: created ? "session.opened" : "session.attached",
      session,
      details: {
        protocol,
        ...(resumed ? { resumed } : {}),
        ...(command === undefined ? {} : commandDetails({ command })),
      },
    });
    return ({ bytes_in, bytes_out, exit_code = null, signal = null }) => {
      const seconds = (Date.now() - at) / 1_000;
      const end = exit_code === null && signal === null ? {} : { exit_code, signal };
      this.byViewer(viewer, {
        action: "session.left",
        session,
        details: { seconds, bytes_in, bytes_out, ...end },
      });
    };
  }

  /** A session that a viewer has seen has ended; told of once. */
  ended({
    session,
    exit_code,
    signal,
    bytes,
    started_at,
  }: Pick<SessionInfo, "session" | "exit_code" | "signal"> & Partial<SessionInfo>): void {
    const seen = this.#sessions.get(session);
    if (!this.#sessions.delete(session)) return;
    const seconds = Math.max(0, Date.now() - (started_at ?? seen ?? Date.now())) / 1_000;
    const details = { seconds, exit_code, signal, ...(bytes === undefined ? {} : { bytes_out: bytes }) };
    this.#log.record({ action: "session.ended", agent: this.agent, session, details });
  }

  /** What a viewer did by its socket. */
  byViewer({ principal, address }: ConnectionInfo, entry: Omit<AuditEntry, "agent">): void {
    this.#log.record({ principal, address, agent: this.agent, ...entry });
  }

  close(): void {
    this.runs.close();
  }

  // --- internal ---

  #remember(session: string, at: number): void {
    if (this.#sessions.has(session)) return;
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size < MAX_SESSIONS) break;
      this.#sessions.delete(oldest);
    }
    this.#sessions.set(session, at);
  }
}
