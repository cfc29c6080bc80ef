/**
 * Kinds of values that a peer sends. Each text and each list has a limit, and one of three rules applies:
 *
 * - what describes something (`brief`) is cut at its limit;
 * - what names or orders something (`exact`) is refused where it is longer;
 * - an optional field that only describes (`lenient`) counts as missing where it is not valid, so that it does not
 *   take its message with it. Fields that say what is to be done are never lenient.
 */
import * as z from "zod/mini";

/** The lists that were made here. */
const LISTS = new WeakMap<z.core.$ZodType, ListShape>();

/** Most UTF-16 code units of each kind of text. */
export const LENGTHS = {
  /** Ids of agents, sessions, viewers, tokens. */
  id: 256,
  /** Names of agents and tokens. */
  name: 128,
  tag: 128,
  description: 1024,
  /** `os`, `arch`, `distro`, `region`, a status, a scope: one word. */
  word: 64,
  /** A DNS name has 253. */
  hostname: 255,
  email: 320,
  /** RFC 3339 with nanoseconds and a zone has 35. */
  time: 64,
  /** PATH_MAX of Linux. */
  path: 4096,
  shell: 512,
  /** An error in a sentence. */
  error: 4096,
  /** A token, ours or a JWT. */
  token: 8192,
  /** A command as a list shows it. */
  shownCommand: 4096,
  /** A command to be run. Linux takes 128 KiB as one argument; the agent says so itself. */
  command: 1024 * 1024,
  /** Name and value of an environment variable. */
  variable: 128 * 1024,
} as const;

/** Most entries of each kind of list. */
export const COUNTS = {
  tags: 64,
  scopes: 16,
  /** Variables that a command is given. */
  variables: 1024,
  /** Other viewers of a session that a viewer is told of. */
  others: 16,
  /** Sessions and commands of one agent. */
  sessions: 8192,
  /** Agents, or tokens, of one account in one answer. */
  listed: 20_000,
} as const;

/** Text that describes: cut after `max` code units. */
export function brief(max: number) {
  return z.pipe(
    z.string(),
    z.transform((text: string) => shorten(text, max)),
  );
}

/** Text that names or orders: longer than `max` code units is refused. */
export function exact(max: number, min = 0) {
  return z.string().check(z.minLength(min), z.maxLength(max));
}

/** An optional field that only describes: what is not valid counts as missing. */
export function lenient<T extends z.core.SomeType>(schema: T) {
  return z.catch(z.optional(schema), undefined);
}

/** A list of at most `max` entries. The count is looked at before the entries, and the first bad one ends it. */
export function listOf<T extends z.ZodMiniType>(entry: T, max: number) {
  const list = z.custom<z.input<T>[]>((value) => Array.isArray(value) && value.length <= max, {
    error: `is no list of at most ${max} entries`,
  });
  LISTS.set(list, { entry, max, isLimit: true });
  return z.pipe(
    list,
    z.transform((list, context): z.output<T>[] => {
      const taken: z.output<T>[] = [];
      for (const [index, value] of list.entries()) {
        const parsed = entry.safeParse(value);
        if (!parsed.success) {
          const [issue] = parsed.error.issues;
          const path = [index, ...(issue?.path ?? [])];
          context.issues.push({ code: "custom", message: issue?.message ?? "is wrong", path, input: value });
          return z.NEVER;
        }
        taken.push(parsed.data);
      }
      return taken;
    }),
  );
}

/** The valid ones of a list's first `max` entries. After 100 that are not valid, the rest is not looked at. */
export function someOf<T extends z.ZodMiniType>(entry: T, max: number) {
  const list = z.custom<z.input<T>[]>(Array.isArray, { error: "is no list" });
  LISTS.set(list, { entry, max, isLimit: false });
  return z.pipe(
    list,
    z.transform((list): z.output<T>[] => {
      const taken: z.output<T>[] = [];
      let bad = 0;
      for (const value of list.slice(0, max)) {
        const parsed = entry.safeParse(value);
        if (parsed.success) taken.push(parsed.data);
        else bad += 1;
        if (bad > MAX_BAD_ENTRIES) break;
      }
      return taken;
    }),
  );
}

/** What a list of `listOf` or `someOf` holds, for documents; its schema alone does not tell. */
export interface ListShape {
  entry: z.ZodMiniType;
  max: number;
  /** More entries are refused, not left out. */
  isLimit: boolean;
}

/** Undefined for what is no such list. */
export function listShape(schema: z.core.$ZodType): ListShape | undefined {
  return LISTS.get(schema);
}

/** Environment variables: names and values with limits, and not too many of them. */
export const variables = z.custom<Record<string, string>>(isVariables, {
  error: `is no map of at most ${COUNTS.variables} texts of ${LENGTHS.variable} characters`,
});

const CONTROLS_REFUSED = "has a control character in it";
/** The database would keep another character in its place. */
const HALF_REFUSED = "has half of a surrogate pair in it";

/** A name as a person may give one: not blank, and in one line of text that can be shown. */
export const givenName = z.string().check(
  z.trim(),
  z.minLength(1, { error: "is blank" }),
  z.maxLength(LENGTHS.name),
  z.refine((text) => !hasControls(text), { error: CONTROLS_REFUSED }),
  z.refine((text) => text.isWellFormed(), { error: HALF_REFUSED }),
  z.refine((text) => text !== "." && text !== "..", { error: "means a folder in an address" }),
);

/** Tags as a person may give them; blank ones count for nothing. */
export const givenTags = z.pipe(
  listOf(
    z.string().check(
      z.trim(),
      z.maxLength(LENGTHS.tag),
      z.refine((text) => !hasControls(text), { error: CONTROLS_REFUSED }),
      z.refine((text) => text.isWellFormed(), { error: HALF_REFUSED }),
    ),
    COUNTS.tags,
  ),
  z.transform((tags) => tags.filter(Boolean)),
);

/** True for text with a control character, a line separator, or one that turns the direction of writing. */
export function hasControls(text: string): boolean {
  return /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(text);
}

// --- internal ---

const MAX_BAD_ENTRIES = 100;

/** A copy: a slice would keep the whole text in memory. No surrogate pair is cut in two. */
function shorten(text: string, max: number): string {
  if (text.length <= max) return text;
  const isSplit = /[\ud800-\udbff]/.test(text.charAt(max - 1));
  const copy: unknown = JSON.parse(JSON.stringify(text.slice(0, isSplit ? max - 1 : max)));
  return typeof copy === "string" ? copy : "";
}

function isVariables(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  return (
    entries.length <= COUNTS.variables &&
    entries.every(([name, text]) => typeof text === "string" && name.length + text.length <= LENGTHS.variable)
  );
}
