/** Times as people write them. */
import { counted } from "./count.ts";

/** The longest that a timer can wait, ms (it counts in a signed 32-bit integer). */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** `500ms`, `30s`, `1.5m`, `2h`, or a bare number of seconds, in whole milliseconds; null where it is none of these. */
export function parseDuration(text: string): number | null {
  const [, number, unit = "s"] =
    /^(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|h|d)?$/.exec(text.trim().toLowerCase()) ?? [];
  const factor = UNITS[unit];
  return number === undefined || factor === undefined ? null : Math.round(Number(number) * factor);
}

/** `3 min ago`, `2 days ago`; `just now` below a minute and for clocks that differ. */
export function ago(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  const days = Math.floor(seconds / 86_400);
  return `${counted(days, "day")} ago`;
}

/**
 * A time as JSON tells it, `2026-01-31T12:00:00.000Z`: of Unix milliseconds, or of a text that means a time. Null for
 * none, and for Go's zero time, which is the year 1.
 */
export function rfc3339(time: string | number | null | undefined): string | null {
  const ms = typeof time === "number" ? time : Date.parse(time ?? "");
  return ms > 0 && ms < LAST_MS ? new Date(ms).toISOString() : null;
}

// --- internal ---

/** The year 10000, which RFC 3339 has no digits for. */
const LAST_MS = 253_402_300_800_000;

const UNITS: Record<string, number | undefined> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
