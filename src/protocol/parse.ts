/** Checks a peer's message once; from then on it is typed. */
import * as z from "zod/mini";
import { en } from "zod/v4/locales";
import { ANSWER_JSON, excessOf, type JsonLimits, MESSAGE_JSON } from "./bounded.ts";
import { claimedType, type MessageSizes, mostOf } from "./message-size.ts";

// The small build of zod has no texts of its own.
z.config(en());

/** A checked value, or why it was refused. `unknown` is harmless (a newer peer); `invalid` breaks the contract. */
export type Parsed<T> =
  | { ok: true; value: T }
  | { ok: false; problem: "unknown" | "invalid"; reason: string };

/** JSON text as a value, where it is within the limits; never throws. */
export function parseJson(text: string, limits: JsonLimits = ANSWER_JSON): Parsed<unknown> {
  const excess = excessOf(text, limits);
  if (excess !== null) return { ok: false, problem: "invalid", reason: excess };
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
export function parseMessage<T>(schema: z.ZodMiniType<T>, text: string, sizes: MessageSizes): Parsed<T> {
  const claimed = claimedType(text);
  // Whatever its size: it may be for another parser, with a bound of its own.
  const known = schema._zod.propValues?.type;
  if (known && claimed !== null && !known.has(claimed)) return unknownType(claimed);
  const json = parseJson(text, { ...MESSAGE_JSON, length: mostOf(sizes, claimed) });
  if (!json.ok) return claimed ? { ...json, reason: `${claimed}: ${json.reason}` } : json;
  const envelope = typed.safeParse(json.value);
  if (!envelope.success) return { ok: false, problem: "invalid", reason: "a message without a type" };
  const { type } = envelope.data;
  // The claim may have been false.
  if (text.length > mostOf(sizes, type))
    return { ok: false, problem: "invalid", reason: `${text.length} characters of ${type.slice(0, 64)}` };
  // The union would try every member: 20 times the cost of parsing.
  if (known && !known.has(type)) return unknownType(type);
  const result = schema.safeParse(json.value);
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, problem: "invalid", reason: `${type}: ${reasonOf(result.error)}` };
}

// --- internal ---

const typed = z.object({ type: z.string() });

function unknownType(type: string): Parsed<never> {
  return { ok: false, problem: "unknown", reason: `unknown type "${type.slice(0, 64)}"` };
}
