/** Shapes of `/api/audit`. Read leniently, as those of `http.ts`. */
import * as z from "zod/mini";
import { brief, exact, LENGTHS, lenient, someOf } from "./values.ts";

/** Largest page of the audit log. */
export const AUDIT_PAGE = 500;

const named = z.object({ id: brief(LENGTHS.id), name: z.catch(brief(LENGTHS.id), "") });

/** One entry. `hash` is of the whole row, with `prev_hash`: see docs/audit.md. */
export const auditEntryBody = z.object({
  chain: brief(LENGTHS.word),
  seq: z.int().check(z.minimum(0)),
  id: exact(LENGTHS.id, 1),
  at: brief(LENGTHS.time),
  action: brief(LENGTHS.word),
  user: lenient(named),
  credential: lenient(named),
  address: lenient(brief(LENGTHS.word)),
  agent: lenient(named),
  owner_id: lenient(brief(LENGTHS.id)),
  session: lenient(brief(LENGTHS.id)),
  target: lenient(brief(LENGTHS.id)),
  details: z.catch(z.record(z.string(), z.unknown()), {}),
  prev_hash: lenient(brief(LENGTHS.word)),
  hash: lenient(brief(LENGTHS.word)),
});
export type AuditEntryInfo = z.infer<typeof auditEntryBody>;

/** `GET /api/audit`. `next` is the cursor of the page behind this one; without it there is none. */
export const auditListBody = z.object({
  entries: someOf(auditEntryBody, AUDIT_PAGE),
  next: lenient(brief(LENGTHS.id)),
});
