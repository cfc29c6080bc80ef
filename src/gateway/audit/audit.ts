/** What is kept of the things that people and machines did. */
import type { Principal } from "../auth/principal.ts";

/** `thing.happened`; sign-ins have no thing. */
export type AuditAction = string;

/** The agent that something was done to. */
export interface AuditedAgent {
  readonly id: string;
  readonly name: string;
  readonly user_id?: string | undefined;
}

/** One thing that happened. Never holds a secret. */
export interface AuditEntry {
  readonly action: AuditAction;
  /** Left out for the gateway itself, or a stranger. */
  readonly principal?: Principal | undefined;
  /** The sender's IP address. */
  readonly address?: string | undefined;
  /** An `AgentRow`, or as much of it as is known: `user_id` is its owner, who sees the entry too. */
  readonly agent?: AuditedAgent | undefined;
  readonly session?: string | undefined;
  /** What it was done to: a name or an id, at most 256 characters. */
  readonly target?: string | undefined;
  readonly details?: Readonly<Record<string, string | number | boolean | null>> | undefined;
}

/** Keeps entries, in order. `record` never throws and never waits. Owned by the gateway. */
export interface AuditLog {
  record(entry: AuditEntry): void;
}
