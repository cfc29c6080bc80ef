/** A row of the audit log, and the hash that chains it to the row before. */
import { createHash } from "node:crypto";
import * as z from "zod/mini";

/** What a row says. Texts are cut and cleaned (`draft.ts`); it has no place in the chain yet. */
export interface AuditDraft {
  readonly id: string;
  /** RFC 3339: when it happened, not when it was written. */
  readonly created_at: string;
  readonly action: string;
  readonly user_id: string | null;
  readonly user_name: string | null;
  /** `KIND:ID`, for example `token:0197…`. */
  readonly credential: string | null;
  readonly credential_name: string | null;
  readonly address: string | null;
  readonly agent_id: string | null;
  readonly agent_name: string | null;
  /** The user whose agent it was at that time. */
  readonly owner_id: string | null;
  readonly session: string | null;
  readonly target: string | null;
  /** JSON text of a flat object. */
  readonly details: string;
}

const text = z.nullable(z.string());
/** The shape of a draft, where it is read from a file or the table. */
export const auditDraft = z.object({
  id: z.string(),
  created_at: z.string(),
  action: z.string(),
  user_id: text,
  user_name: text,
  credential: text,
  credential_name: text,
  address: text,
  agent_id: text,
  agent_name: text,
  owner_id: text,
  session: text,
  target: text,
  details: z.string(),
});

/** A row in its chain. */
export interface AuditRow extends AuditDraft {
  readonly chain: string;
  /** From 1, without a gap. */
  readonly seq: number;
  readonly prev_hash: string;
  readonly hash: string;
}

/** The hash before the first row. */
export const GENESIS = "0".repeat(64);

/**
 * SHA-256, in hex, of the row's canonical text: a JSON array of its fields in this order, the previous hash last. Another
 * program can check a chain with no more than this.
 */
export function hashOf(row: Omit<AuditRow, "hash">): string {
  const fields = [
    row.chain,
    row.seq,
    row.id,
    row.created_at,
    row.action,
    row.user_id,
    row.user_name,
    row.credential,
    row.credential_name,
    row.address,
    row.agent_id,
    row.agent_name,
    row.owner_id,
    row.session,
    row.target,
    row.details,
    row.prev_hash,
  ];
  return createHash("sha256").update(JSON.stringify(fields)).digest("hex");
}

/** The drafts as rows behind the row with that number and hash. */
export function chained(
  chain: string,
  drafts: readonly AuditDraft[],
  after: { seq: number; hash: string },
): AuditRow[] {
  let { seq, hash } = after;
  return drafts.map((draft) => {
    seq += 1;
    const open = { ...draft, chain, seq, prev_hash: hash };
    hash = hashOf(open);
    return { ...open, hash };
  });
}
