/** Reads a table a page at a time, in the order of creation. */
import type { Queryable } from "./database.ts";

/** The place of a row in that order. */
export interface Position {
  /** RFC 3339 */
  created_at: string;
  id: string;
}

/** Rows behind a position, at most so many. */
export interface Page {
  limit: number;
  after: Position | null;
}

/** The number that `SELECT COUNT(*) AS n …` answers. */
export async function countOf(query: PromiseLike<unknown>): Promise<number> {
  const rows: unknown = await query;
  const [row] = Array.isArray(rows) ? rows : [];
  return Number(row?.n ?? 0);
}

/** The end of a statement `… WHERE user_id = …`: order and, for a page, its place and length. */
export function inOrder(sql: Queryable, page: Page | null) {
  if (!page) return sql`ORDER BY created_at, id`;
  const { created_at, id } = page.after ?? { created_at: "", id: "" };
  return sql`AND (created_at, id) > (${created_at}, ${id}) ORDER BY created_at, id LIMIT ${page.limit}`;
}
