/** An audit row as the API, the export and collectors get it. */
import type { AuditRow } from "./row.ts";

/** The row with its details as an object. What is not known is left out. */
export function auditView(row: AuditRow) {
  return {
    chain: row.chain,
    seq: row.seq,
    id: row.id,
    at: row.created_at,
    action: row.action,
    user: row.user_id === null ? undefined : { id: row.user_id, name: row.user_name ?? "" },
    credential: row.credential === null ? undefined : { id: row.credential, name: row.credential_name ?? "" },
    address: row.address ?? undefined,
    agent: row.agent_id === null ? undefined : { id: row.agent_id, name: row.agent_name ?? "" },
    owner_id: row.owner_id ?? undefined,
    session: row.session ?? undefined,
    target: row.target ?? undefined,
    details: detailsOf(row),
    prev_hash: row.prev_hash,
    hash: row.hash,
  };
}
export type AuditView = ReturnType<typeof auditView>;

// --- internal ---

/** A row that was changed by hand may hold anything. */
function detailsOf({ details }: AuditRow): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(details);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? { ...value }
      : { raw: value };
  } catch {
    return { raw: details };
  }
}
