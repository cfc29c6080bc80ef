/** How long an ephemeral agent stays: decided from who is there and what time it is. No clock, no socket. */

/** Why it leaves. */
export type LeaveReason =
  /** `--timeout` is over. */
  | "timeout"
  /** No viewer came, or none has been there, for `--idle-timeout`. */
  | "idle"
  /** `--wait-for-viewer`: a viewer was there and has left. */
  | "left"
  /** `rexec-agent continue`. */
  | "continue";

/** What `--timeout`, `--idle-timeout` and `--wait-for-viewer` ask for. */
export interface LeaveRules {
  /** The most that it stays, ms. */
  timeoutMs?: number | undefined;
  /** The most that it stays without a viewer, ms. */
  idleMs?: number | undefined;
  /** It leaves once a viewer was at a shell and has left. */
  untilLeft: boolean;
}

/** Who has left may have closed the wrong window, ms. */
export const SECOND_THOUGHTS_MS = 5_000;

/** Owned by the watch. It has no clock: each call brings the time, ms. */
export class LeavePolicy {
  readonly #rules: LeaveRules;
  readonly #startedAt: number;
  #aloneSince: number | null;
  #came = false;

  /** @param now ms, from any origin; the same one in all calls */
  constructor(rules: LeaveRules, now: number) {
    this.#rules = rules;
    this.#startedAt = now;
    this.#aloneSince = now;
  }

  /** A viewer has been at a shell. */
  get cameOnce(): boolean {
    return this.#came;
  }

  /** @param isAttended at a shell or running a command @param hadShell a shell was started at any time */
  see(isAttended: boolean, hadShell: boolean, now: number): void {
    if (hadShell) this.#came = true;
    if (isAttended) this.#aloneSince = null;
    else this.#aloneSince ??= now;
  }

  /** Why to leave now, or null. */
  verdict(now: number): LeaveReason | null {
    const { timeoutMs, idleMs, untilLeft } = this.#rules;
    if (timeoutMs !== undefined && now - this.#startedAt >= timeoutMs) return "timeout";
    if (this.#aloneSince === null) return null;
    const alone = now - this.#aloneSince;
    if (untilLeft && this.#came && alone >= SECOND_THOUGHTS_MS) return "left";
    return idleMs !== undefined && alone >= idleMs ? "idle" : null;
  }

  /** Until `--timeout`, ms; infinite without one. */
  remaining(now: number): number {
    const { timeoutMs = Number.POSITIVE_INFINITY } = this.#rules;
    return this.#startedAt + timeoutMs - now;
  }
}
