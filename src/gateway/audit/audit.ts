/** What is kept of the things that people and machines did. */
import type { Logger } from "../../lib/log.ts";
import type { Principal } from "../auth/principal.ts";

/** `thing.happened`; sign-ins have no thing. */
export type AuditAction = string;

/** One thing that happened. Never holds a secret. */
export interface AuditEntry {
  readonly action: AuditAction;
  /** Left out for the gateway itself, or a stranger. */
  readonly principal?: Principal | undefined;
  /** The sender's IP address. */
  readonly address?: string | undefined;
  readonly agent?: { readonly id: string; readonly name: string } | undefined;
  readonly session?: string | undefined;
  /** What it was done to: a name or an id, at most 256 characters. */
  readonly target?: string | undefined;
  readonly details?: Readonly<Record<string, string | number | boolean | null>> | undefined;
}

/** Keeps entries, in order. `record` never throws and never waits. Owned by the gateway. */
export interface AuditLog {
  record(entry: AuditEntry): void;
}

/** Writes entries into the gateway's log. */
export function loggedAudit(logger: Logger): AuditLog {
  return {
    record({ action, principal, agent, target }) {
      const words = [action, principal?.user.username, agent?.name, target].filter(Boolean);
      logger.debug(`audit: ${words.join(" ")}`);
    },
  };
}
