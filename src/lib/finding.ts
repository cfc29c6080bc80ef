/** What one check of a doctor found, and how a check is kept within its time. */
import { messageOf, RexecError } from "./errors.ts";

/** `warning` needs no action to work today; `skipped` could not be tried, since something before it failed. */
export type Verdict = "ok" | "warning" | "failed" | "skipped";

/** What one check found. */
export interface Finding {
  /** `dns`, `tls`, `token`, … */
  check: string;
  verdict: Verdict;
  /** What was found, in one line. */
  detail: string;
  /** What to do about it. */
  hint?: string | undefined;
}

/** A check that was made. `value` is what later checks build on; undefined where there is none. */
export interface Step<T> {
  finding: Finding;
  value: T | undefined;
}

/** What a check answers. */
export interface Answer<T = true> {
  verdict?: Verdict;
  detail: string;
  hint?: string | undefined;
  value?: T;
}

/** A check that takes longer has failed, ms. */
export const STEP_MS = 5_000;

/** Makes one check. Never rejects: what it throws, and a time that runs out, is what it found. */
export async function step<T = true>(
  check: string,
  work: (signal: AbortSignal) => Answer<T> | Promise<Answer<T>>,
  ms = STEP_MS,
): Promise<Step<T>> {
  const ended = new AbortController();
  const { promise: late, resolve } = Promise.withResolvers<Answer<T>>();
  const timer = setTimeout(
    () => resolve({ verdict: "failed", detail: `no answer within ${ms / 1000} s`, hint: SLOW_HINT }),
    ms,
  );
  try {
    const { verdict = "ok", detail, hint, value } = await Promise.race([work(ended.signal), late]);
    return { finding: { check, verdict, detail, hint }, value };
  } catch (error) {
    const hint = error instanceof RexecError ? error.hint : undefined;
    return { finding: { check, verdict: "failed", detail: messageOf(error), hint }, value: undefined };
  } finally {
    clearTimeout(timer);
    ended.abort();
  }
}

/** A check that could not be tried. */
export function skipped<T>(check: string, why: string): Step<T> {
  return { finding: { check, verdict: "skipped", detail: why }, value: undefined };
}

/** Makes the check with what another one found, or says that it could not be tried without. */
export async function after<In, Out>(
  earlier: Promise<Step<In>>,
  check: string,
  work: (value: In, signal: AbortSignal) => Answer<Out> | Promise<Answer<Out>>,
  ms = STEP_MS,
): Promise<Step<Out>> {
  const { finding, value } = await earlier;
  if (value === undefined) {
    // The first one that failed is the one to name.
    const failed = finding.verdict === "failed" ? `${finding.check} failed` : `see ${finding.check}`;
    const why = finding.verdict === "skipped" ? finding.detail : `not tried: ${failed}`;
    return skipped(check, why);
  }
  return step(check, (signal) => work(value, signal), ms);
}

// --- internal ---

const SLOW_HINT = "a firewall that drops packets, a proxy, or a machine that is overloaded";
