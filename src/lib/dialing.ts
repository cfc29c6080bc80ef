/**
 * How long a dial may take while somebody waits for the line to come back. What is sent into a dead line is lost without
 * a word, and the kernel asks again after 1, 2, 4 s, …: a dial from before the line's return finds it late, and a
 * new one at once. So most tries are short, and some long enough for lines that are just slow.
 */

/** Of a line of which nothing is known, ms. */
const QUICK_MS = 1_000;
/** The longest that a short try is made by what an earlier one took, ms. */
const QUICK_CAP_MS = 4_000;
/** A try that took four times as long as the last good one is taken for a dead one. */
const TIMES_AS_LONG = 4;
const LONG_EVERY = 4;
const LONG_MS = [4_000, 8_000, 20_000] as const;

/**
 * @param failures tries in a row that came to nothing
 * @param tookMs what the last one took that came to something
 */
export function dialLimit(failures: number, tookMs: number | null): number {
  const quick = Math.min(QUICK_CAP_MS, Math.max(QUICK_MS, TIMES_AS_LONG * (tookMs ?? 0)));
  if (failures === 0 || failures % LONG_EVERY !== 0) return quick;
  return LONG_MS[Math.min(failures / LONG_EVERY, LONG_MS.length) - 1] ?? quick;
}

/** The pause that is left of a delay where the try itself took a while, ms: what timed out has waited already. */
export function pauseLeft(delayMs: number, tookMs: number): number {
  return Math.max(0, delayMs - tookMs);
}
