/** Watches who is at an ephemeral agent, warns them before it leaves, and says when it does. */
import type { ActivityWatcher, AgentActivity } from "../activity.ts";
import type { UplinkState } from "../uplink/state.ts";
import { LeavePolicy, type LeaveReason, type LeaveRules } from "./leave-policy.ts";

/** The rules, and what is called when they end the agent. */
export interface WatchOptions {
  rules: LeaveRules;
  /** Called once. */
  onLeave(why: LeaveReason): void;
  /** A viewer is at a shell, for the first time. */
  onCame(): void;
}

/** Looks so often, ms. */
const LOOK_MS = 1_000;
/** People hear of the end so long before it, ms; not where that is in the first half of the time. */
const WARN_MS = [5 * 60_000, 60_000] as const;
/** While the connection is away, viewers count as present for so long: the gateway holds their sessions too, ms. */
const VIEWER_GRACE_MS = 120_000;

/** Owned by the ephemeral run; asks the policy every second. */
export class Watch implements ActivityWatcher, Disposable {
  readonly #options: WatchOptions;
  readonly #policy: LeavePolicy;
  readonly #warnings: number[];
  #activity: AgentActivity | null = null;
  /** Null where the server does not say: rexec.v1's own servers end a shell when its last viewer leaves. */
  #viewers: number | null = null;
  #lostAt: number | null = null;
  #timer: Timer | null = null;
  #came = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#policy = new LeavePolicy(options.rules, performance.now());
    const { timeoutMs = 0 } = options.rules;
    this.#warnings = WARN_MS.filter((ms) => ms <= timeoutMs / 2);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  begin(activity: AgentActivity): void {
    this.#activity = activity;
    this.#look();
  }

  viewers(count: number): void {
    this.#viewers = count;
    this.#look();
  }

  state({ phase }: UplinkState): void {
    this.#lostAt = phase === "connected" ? null : (this.#lostAt ?? performance.now());
  }

  /** How long it stays at most, for people; empty where there is no limit. */
  get limit(): string {
    const ms = this.#policy.remaining(performance.now());
    return Number.isFinite(ms) ? `, at the latest in ${minutes(ms)}` : "";
  }

  /** Whatever the rules say. */
  leave(why: LeaveReason): void {
    if (!this.#timer) return;
    this[Symbol.dispose]();
    this.#activity?.tell(`[rexec] ${GOODBYE[why]}`);
    this.#options.onLeave(why);
  }

  [Symbol.dispose](): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  // --- internal ---

  #look(): void {
    if (!this.#timer) return;
    const now = performance.now();
    this.#policy.see(this.#isAttended(now), (this.#activity?.shellsStarted ?? 0) > 0, now);
    if (this.#policy.cameOnce && !this.#came) {
      this.#came = true;
      this.#options.onCame();
    }
    this.#warn(this.#policy.remaining(now));
    const verdict = this.#policy.verdict(now);
    if (verdict) this.leave(verdict);
  }

  #isAttended(now: number): boolean {
    if (this.#lostAt !== null && now - this.#lostAt > VIEWER_GRACE_MS) return false;
    return (this.#viewers ?? this.#activity?.busy ?? 0) > 0;
  }

  #warn(remainingMs: number): void {
    const [next] = this.#warnings;
    if (next === undefined || remainingMs > next) return;
    this.#warnings.shift();
    this.#activity?.tell(`[rexec] this machine leaves in ${minutes(remainingMs)}`);
  }
}

function minutes(ms: number): string {
  return ms < 90_000 ? `${Math.max(1, Math.round(ms / 1000))} s` : `${Math.round(ms / 60_000)} min`;
}

const GOODBYE: Record<LeaveReason, string> = {
  timeout: "time is up: this machine leaves",
  idle: "nobody is here: this machine leaves",
  left: "everybody has left: the job goes on",
  continue: "the job goes on: this machine leaves",
};
