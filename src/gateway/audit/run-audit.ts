/** What is recorded of commands: that one was started, by whom, and how it ended. */
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { AuditAction, AuditEntry } from "./audit.ts";
import { type AskedCommand, commandDetails, commandIdentity } from "./command.ts";

/** Commands of one agent that are waited for: an agent has 1,024 channels. */
const MAX_RUNNING = 1_024;

/** A command that a viewer asked for. */
export interface AskedRun extends AskedCommand {
  /** The same for a viewer that comes back to it. */
  readonly run: string;
  readonly resume?: boolean | undefined;
}

/** How it ended: an exit code or a signal, or why neither is known. */
export type RunEnd = Readonly<Record<string, string | number | boolean | null>>;

interface Running {
  readonly viewer: ConnectionInfo;
  /** @see commandIdentity */
  readonly identity: string;
  readonly details: Record<string, string>;
  readonly startedAt: number;
  timer: Timer | null;
}

/** The commands of one agent, from the request to the end. Owned by `RoomAudit`. */
export class RunAudit {
  readonly #record: (viewer: ConnectionInfo, entry: Omit<AuditEntry, "agent">) => void;
  readonly #graceMs: number;
  /** By their id, the oldest first. */
  readonly #running = new Map<string, Running>();

  /** @param graceMs how long a command is waited for to which no viewer comes back */
  constructor(record: (viewer: ConnectionInfo, entry: Omit<AuditEntry, "agent">) => void, graceMs: number) {
    this.#record = record;
    this.#graceMs = graceMs;
  }

  /** A viewer asks for it, or comes back to it. */
  opened(viewer: ConnectionInfo, asked: AskedRun): void {
    const identity = commandIdentity(viewer.principal.user.id, asked);
    const known = this.#running.get(asked.run);
    // An agent that was started anew runs what it is told under any id.
    if (known && known.identity !== identity) this.ended(asked.run, { outcome: "unknown" });
    else if (known) {
      if (known.timer) clearTimeout(known.timer);
      known.timer = null;
      return;
    }
    for (const oldest of this.#running.keys()) {
      if (this.#running.size < MAX_RUNNING) break;
      this.ended(oldest, { outcome: "unknown" });
    }
    const details = commandDetails(asked);
    this.#running.set(asked.run, { viewer, identity, details, startedAt: Date.now(), timer: null });
    const resumed = asked.resume ? { resumed: true } : {};
    this.#say("exec.started", asked.run, viewer, { ...details, ...resumed });
  }

  /** No viewer waits for it any more; one may come back. */
  left(run: string): void {
    const running = this.#running.get(run);
    if (running) running.timer ??= setTimeout(() => this.ended(run, { outcome: "unknown" }), this.#graceMs);
  }

  ended(run: string, end: RunEnd): void {
    const running = this.#running.get(run);
    if (!running) return;
    this.#running.delete(run);
    if (running.timer) clearTimeout(running.timer);
    const { viewer, details, startedAt } = running;
    const seconds = (Date.now() - startedAt) / 1_000;
    this.#say("exec.finished", run, viewer, { ...details, ...end, seconds });
  }

  /** Nothing more will be heard of those that run. */
  close(): void {
    for (const run of [...this.#running.keys()]) this.ended(run, { outcome: "unknown" });
  }

  // --- internal ---

  #say(action: AuditAction, session: string, viewer: ConnectionInfo, details: RunEnd): void {
    this.#record(viewer, { action, session, details });
  }
}
