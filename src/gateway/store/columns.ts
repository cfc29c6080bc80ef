/** Schemas of columns: databases differ in their booleans, and JSON is stored as text. */
import * as z from "zod/mini";

/** SQLite answers 0 or 1, Postgres a boolean. */
export const booleanColumn = z.pipe(
  z.union([z.boolean(), z.number()]),
  z.transform((value) => Boolean(value)),
);

/** Longest JSON that a column may hold, characters: far more than all limits of its fields together. */
export const MAX_JSON = 64 * 1024;

/** JSON text of the given shape. What is not readable, or too long to be ours, counts as null. */
export function jsonColumn<T>(schema: z.ZodMiniType<T>): z.ZodMiniType<T | null> {
  return z.pipe(
    z.nullable(z.string()),
    z.transform((text) => {
      if (text === null || text.length > MAX_JSON) return null;
      const parsed = schema.safeParse(parse(text));
      return parsed.success ? parsed.data : null;
    }),
  );
}

/** The rows of the given shape. One that is damaged is left out: it must not hide the others. */
export function validRows<T>(schema: z.ZodMiniType<T>, rows: unknown): T[] {
  return z
    .array(z.unknown())
    .parse(rows)
    .flatMap((row) => {
      const parsed = schema.safeParse(row);
      return parsed.success ? [parsed.data] : [];
    });
}

// --- internal ---

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
