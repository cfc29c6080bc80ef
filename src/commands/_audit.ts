/** What `rexec audit` and `rexec admin audit` share: times on the command line, and an entry as a person reads it. */
import { LONGEST_CELL } from "../client/table.ts";
import { parseDuration } from "../lib/duration.ts";
import { UsageError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import type { AuditEntryInfo } from "../protocol/http-audit.ts";

export const timeArgs = {
  since: {
    type: "string",
    valueHint: "TIME",
    description: "From then on: 1h or 7d ago, 2026-01-31, or 2026-01-31T12:00:00Z",
  },
  until: { type: "string", valueHint: "TIME", description: "Before then, in the same forms" },
} as const;

/** RFC 3339, UTC; a date is its first moment on this machine's clock. @throws UsageError */
export function momentOf(name: string, text: string | undefined, now = Date.now()): string | undefined {
  if (text === undefined) return undefined;
  const ago = parseDuration(text);
  const ms = ago === null ? parsedTime(text) : now - ago;
  if (ms >= MIN_MS && ms < MAX_MS) return new Date(ms).toISOString();
  throw new UsageError(`--${name} cannot be "${text}"`, "give 1h, 7d, 2026-01-31 or 2026-01-31T12:00:00Z");
}

/** Time, user, address, action, agent, and what it was done to. */
export function auditCells(entry: AuditEntryInfo): string[] {
  const { at, user, credential, address, action, agent, session, target, details } = entry;
  const what = [session, target].filter((word) => word !== undefined && word !== "").join(" ");
  const told = Object.entries(details).filter(([, value]) => value !== null);
  const more = told.map(([name, value]) => `${name}=${shown(value)}`);
  return [
    printable(at.replace(/\.\d+(?=Z$)/, "")),
    printable(actorOf(user?.name, credential), LONGEST_CELL),
    printable(address ?? "-"),
    printable(action),
    printable(agent?.name || agent?.id || "-", LONGEST_CELL),
    printable([what, ...more].filter(Boolean).join(" "), LONGEST_CELL),
  ];
}

// --- internal ---

/** The user; with a share its guest, and the user who answers for it. */
function actorOf(user: string | undefined, credential: AuditEntryInfo["credential"]): string {
  const guest = credential?.id.startsWith("share:") ? `shared: ${credential.name || "?"}` : "";
  if (guest) return user ? `${guest} (by ${user})` : guest;
  return user || "-";
}

/** The years that RFC 3339 has digits for. */
const [MIN_MS, MAX_MS] = [Date.UTC(0, 0, 1), 253_402_300_800_000];

function parsedTime(text: string): number {
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return Date.parse(`${text}T00:00:00`);
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text) ? Date.parse(text) : Number.NaN;
}

/** A word as it is, all else so that it is one. */
function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /^[^\s"=]+$/.test(text ?? "") ? text : JSON.stringify(text);
}
