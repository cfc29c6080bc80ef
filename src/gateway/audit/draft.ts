/** Makes a row of what was recorded: every text is cut, and fit for any database. */
import { redact } from "../../lib/redact.ts";
import type { AuditEntry } from "./audit.ts";
import type { AuditDraft } from "./row.ts";

/** Most characters of each text of a row. */
const LONGEST = { action: 64, id: 256, name: 256, address: 64, target: 256, key: 64, value: 2_048 } as const;
/** Most details of a row. */
const MOST_DETAILS = 24;
/** Most characters of a row's details, as JSON. */
const DETAILS_CHARS = 8_192;

/** @param at when it happened, Unix milliseconds */
export function draftOf(entry: AuditEntry, at: number): AuditDraft {
  const { action, principal, address, agent, session, target, details = {} } = entry;
  const { user, credential } = principal ?? {};
  return {
    id: Bun.randomUUIDv7("hex", at),
    created_at: new Date(at).toISOString(),
    action: cleaned(action, LONGEST.action) ?? "",
    user_id: cleaned(user?.id, LONGEST.id),
    user_name: cleaned(user?.username, LONGEST.name),
    credential: credential ? cleaned(`${credential.kind}:${credential.id}`, LONGEST.id) : null,
    credential_name: cleaned(credential?.name, LONGEST.name),
    address: cleaned(address, LONGEST.address),
    agent_id: cleaned(agent?.id, LONGEST.id),
    agent_name: cleaned(agent?.name, LONGEST.name),
    owner_id: cleaned(agent?.user_id, LONGEST.id),
    session: cleaned(session, LONGEST.id),
    target: cleaned(target, LONGEST.target),
    details: detailsText(details),
  };
}

/** Roughly what a draft takes in memory, bytes. */
export function sizeOf(draft: AuditDraft): number {
  let size = 256;
  for (const value of Object.values(draft)) size += 2 * (value?.length ?? 0);
  return size;
}

// --- internal ---

type Value = string | number | boolean | null;

/** Tokens are blanked wherever they turn up. Postgres keeps no NUL, and UTF-8 no half of a surrogate pair. */
function cleaned(text: string | null | undefined, most: number): string | null {
  if (text === null || text === undefined) return null;
  const plain = redact(text.slice(0, 2 * most))
    .toWellFormed()
    .replaceAll("\0", "\ufffd");
  return plain.length <= most ? plain : `${plain.slice(0, most - 1)}…`.toWellFormed();
}

function detailsText(details: Readonly<Record<string, Value>>): string {
  const kept: Record<string, Value> = {};
  let left = DETAILS_CHARS;
  for (const [key, value] of Object.entries(details).slice(0, MOST_DETAILS)) {
    const name = cleaned(key, LONGEST.key) ?? "";
    const said = typeof value === "string" ? cleaned(value, LONGEST.value) : finite(value);
    left -= JSON.stringify([name, said]).length;
    if (left < 2) break;
    kept[name] = said;
  }
  return JSON.stringify(kept);
}

function finite(value: Value): Value {
  return typeof value === "number" && !Number.isFinite(value) ? null : value;
}
