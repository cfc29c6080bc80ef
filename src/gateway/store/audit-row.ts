/** The shape of an audit row in the table. */
import * as z from "zod/mini";

const text = z.nullable(z.string());
/** SQLite answers a number, Postgres a text. */
export const bigint = z.pipe(
  z.union([z.number(), z.bigint(), z.string()]),
  z.transform((value) => Number(value)),
);

export const auditRow = z.object({
  chain: z.string(),
  seq: bigint,
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
  prev_hash: z.string(),
  hash: z.string(),
});
