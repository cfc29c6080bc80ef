/** What comes from outside is checked once, here, and typed from then on. */
import * as z from "zod/mini";
import { en } from "zod/v4/locales";
import { excessOf } from "./json-shape.ts";

// The small build of zod, since each megabyte counts on a small board; it has no words of its own.
z.config(en());

/** A checked value, or why it was not taken. `unknown` is harmless: a newer peer; `invalid` breaks the contract. */
export type Parsed<T> =
  | { ok: true; value: T }
  | { ok: false; problem: "unknown" | "invalid"; reason: string };

/** JSON text as a value, where it is none of an excessive shape (`json-shape.ts`); never throws. */
export function parseJson(text: string): Parsed<unknown> {
  const excess = excessOf(text);
  if (excess !== null) return { ok: false, problem: "invalid", reason: `JSON of ${excess}` };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { ok: false, problem: "invalid", reason: `malformed JSON: ${detail.slice(0, 200)}` };
  }
}

/** A schema error in one line: the first few issues, each with its path. */
export function reasonOf(error: z.core.$ZodError): string {
  return error.issues
    .slice(0, 3)
    .map((issue) => (issue.path.length ? `${issue.path.join(".")}: ${issue.message}` : issue.message))
    .join("; ")
    .slice(0, 300);
}

/** One JSON text frame against the schema of its direction, a union over `type`. Never throws. */
export function parseMessage<T>(schema: z.ZodMiniType<T>, text: string): Parsed<T> {
  const json = parseJson(text);
  if (!json.ok) return json;
  const result = schema.safeParse(json.value);
  if (result.success) return { ok: true, value: result.data };
  const envelope = typed.safeParse(json.value);
  if (!envelope.success) return { ok: false, problem: "invalid", reason: "a message without a type" };
  const unknown = result.error.issues.some((issue) => issue.path[0] === "type");
  if (unknown)
    return { ok: false, problem: "unknown", reason: `unknown type "${envelope.data.type.slice(0, 64)}"` };
  return { ok: false, problem: "invalid", reason: `${envelope.data.type}: ${reasonOf(result.error)}` };
}

// --- internal ---

const typed = z.object({ type: z.string() });
