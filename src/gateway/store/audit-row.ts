/** The shape of an audit row in the table. */
import * as z from "zod/mini";
import { auditDraft } from "../audit/row.ts";

/** SQLite answers a number, Postgres a text. */
export const bigint = z.pipe(
  z.union([z.number(), z.bigint(), z.string()]),
  z.transform((value) => Number(value)),
);

export const auditRow = z.extend(auditDraft, {
  chain: z.string(),
  seq: bigint,
  prev_hash: z.string(),
  hash: z.string(),
});
