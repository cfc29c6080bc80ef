/**
 * Timeouts of dials while the network is away. The kernel repeats a lost SYN after 1, 2, 4 s, …: a dial from before the
 * network's return finds it late, a new one at once. So most tries are short, and some are long enough for slow networks.
 */

/** Without an earlier success, ms. */
const QUICK_MS = 1_000;
/** Upper bound of a short try, ms. */
const QUICK_CAP_MS = 4_000;
/** A short try may take so many times as long as the last successful one. */
const TIMES_AS_LONG = 4;
const LONG_EVERY = 4;
const LONG_MS = [4_000, 8_000, 20_000] as const;

/**
 * @param failures failed tries in a row
 * @param tookMs duration of the last successful try
 */
export function dialLimit(failures: number, tookMs: number | null): number {
  const quick = Math.min(QUICK_CAP_MS, Math.max(QUICK_MS, TIMES_AS_LONG * (tookMs ?? 0)));
  if (failures === 0 || failures % LONG_EVERY !== 0) return quick;
  return LONG_MS[Math.min(failures / LONG_EVERY, LONG_MS.length) - 1] ?? quick;
}

/** The rest of a delay after a try that took time itself, ms. */
export function pauseLeft(delayMs: number, tookMs: number): number {
  return Math.max(0, delayMs - tookMs);
}
