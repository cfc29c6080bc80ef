/** What columns hold, as schemas: databases differ in what they answer for a boolean, and JSON is kept as text. */
import * as z from "zod/mini";

/** SQLite answers 0 or 1, Postgres a boolean. */
export const booleanColumn = z.pipe(
  z.union([z.boolean(), z.number()]),
  z.transform((value) => Boolean(value)),
);

/** JSON text of the given shape; unreadable text counts as null. */
export function jsonColumn<T>(schema: z.ZodMiniType<T>): z.ZodMiniType<T | null> {
  return z.pipe(
    z.nullable(z.string()),
    z.transform((text) => {
      if (text === null) return null;
      const parsed = schema.safeParse(parse(text));
      return parsed.success ? parsed.data : null;
    }),
  );
}

// --- internal ---

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
