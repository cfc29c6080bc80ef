/**
 * The connection to the server as a machine: what happened in, what to do next out. No socket, no clock.
 *
 * dialling --opened--> connected --ended--> waiting --waited--> dialling; a final end or `stop` leads to stopped;
 * `renewed` back to dialling from anywhere else.
 */
import { type BackoffOptions, backoffDelay, RECONNECT } from "../../lib/backoff.ts";
import { dialLimit, pauseLeft } from "../../lib/dialing.ts";
import type { RexecError } from "../../lib/errors.ts";
import { CLOSE_DELETED, CLOSE_SUPERSEDED, STATUS_PENDING } from "../../protocol/close-codes.ts";
import { deletedError, pendingReason, type RefusalSubject, refusalError } from "../enroll/refusal.ts";

/** Where the token goes: the query form only where a server did not take the header, and that is allowed. */
export type Auth = "header" | "query";

/**
 * `lostAt`: when a connection was lost that a viewer by rexec.v2 used, until that is so again.
 * They wait, and what they look at stands still, so the pauses are short for as long as the hold time.
 * `tookMs`: what the last dial took that came to something.
 */
export type UplinkState =
  | ({ phase: "dialling" } & Carried)
  | ({ phase: "connected"; since: number } & Carried)
  /** `isPending`: the machine waits to be accepted, which may take days. */
  | ({ phase: "waiting"; delayMs: number; reason: string; isPending?: true } & Carried)
  | { phase: "stopped"; error: RexecError | null };

interface Carried {
  auth: Auth;
  failures: number;
  lostAt?: number;
  tookMs?: number;
}

/** How a connection, or the attempt at one, ended. */
export type ConnectionEnd =
  /** The server answered the upgrade with another status than 101. */
  | { kind: "refused"; status: number }
  /** No answer: DNS, connection refused, TLS, timeout. */
  | { kind: "unreachable"; reason: string }
  /** It was open and was closed; 1006 where the TCP connection broke. */
  | { kind: "closed"; code: number; reason: string }
  /** It was open, and we ended it. */
  | { kind: "dropped"; reason: string };

export type UplinkEvent =
  /** `tookMs`: the dial. */
  | { type: "opened"; at: number; tookMs?: number }
  /** `served`: it was of use to a viewer by rexec.v2. `tookMs`: a dial that came to nothing. */
  | { type: "ended"; end: ConnectionEnd; at: number; served?: boolean; tookMs?: number }
  | { type: "waited" }
  /** There is another token to connect with, at once. */
  | { type: "renewed"; at: number; served: boolean }
  | { type: "stop" };

/** What a transition depends on beside the state and the event. */
export interface UplinkContext {
  subject: RefusalSubject;
  /** A server that refuses the header (401) may be sent the token in the address, which its log keeps. Default false. */
  tokenInQuery?: boolean;
  backoff?: BackoffOptions;
  /** Even in [0, 1). */
  random?: () => number;
}

/** How long one waits that was replaced by another connection of the same agent, ms: minutes, so that there is no duel. */
export const SUPERSEDED_WAIT_MS = [120_000, 300_000] as const;

/** How long one waits between two tries that is not accepted yet, ms: it is to be there seconds after it is. */
export const PENDING_WAIT_MS = [2_000, 5_000] as const;

/** While a viewer waits. The same as a viewer's own, which is cut off more often. */
export const RESUME: BackoffOptions = { baseMs: 250, capMs: 1_000, healthyAfterMs: 0 };
/** A viewer is taken to wait for so long, ms: the grace period. */
export const RESUME_FOR_MS = 120_000;

export const INITIAL: UplinkState = {
  phase: "dialling",
  auth: "header",
  failures: 0,
};

/** The next state. An event that has no place in a state changes nothing. */
export function transition(state: UplinkState, event: UplinkEvent, context: UplinkContext): UplinkState {
  if (event.type === "stop") return state.phase === "stopped" ? state : { phase: "stopped", error: null };
  if (event.type === "opened") {
    if (state.phase !== "dialling") return state;
    const { at, tookMs } = event;
    return { ...carried(state), ...(tookMs === undefined ? {} : { tookMs }), phase: "connected", since: at };
  }
  if (event.type === "waited") {
    return state.phase === "waiting" ? { ...carried(state), phase: "dialling" } : state;
  }
  if (event.type === "renewed") {
    if (state.phase === "stopped") return state;
    const lost = event.served ? { lostAt: event.at } : {};
    return { ...carried(state), ...lost, phase: "dialling", auth: "header", failures: 0 };
  }
  if (state.phase !== "dialling" && state.phase !== "connected") return state;
  return afterEnd(state, event, context);
}

/** How long the dial of this state may take, ms; null for as long as usual. */
export function dialMs(state: UplinkState, now: number): number | null {
  if (state.phase === "stopped" || !isAwaited(state.lostAt, now)) return null;
  return dialLimit(state.failures, state.tookMs ?? null);
}

// --- internal ---

type Live = Extract<UplinkState, { phase: "dialling" | "connected" }>;
type Ended = Extract<UplinkEvent, { type: "ended" }>;

function carried({ auth, failures, lostAt, tookMs }: Carried): Carried {
  return {
    auth,
    failures,
    ...(lostAt === undefined ? {} : { lostAt }),
    ...(tookMs === undefined ? {} : { tookMs }),
  };
}

function isAwaited(lostAt: number | undefined, now: number): boolean {
  return lostAt !== undefined && now - lostAt < RESUME_FOR_MS;
}

function livedWell(state: Live, at: number, { backoff = RECONNECT }: UplinkContext): boolean {
  return state.phase === "connected" && at - state.since >= backoff.healthyAfterMs;
}

function afterEnd(state: Live, event: Ended, context: UplinkContext): UplinkState {
  const { end, at, served = false } = event;
  const lostAt = served ? at : state.lostAt;
  const backoff = isAwaited(lostAt, at) ? RESUME : (context.backoff ?? RECONNECT);
  const failures = served || livedWell(state, at, context) ? 0 : state.failures;
  const random = context.random ?? Math.random;
  const again = (delayMs: number, reason: string, auth = state.auth): UplinkState => ({
    ...carried(state),
    ...(lostAt === undefined ? {} : { lostAt }),
    phase: "waiting",
    auth,
    failures: failures + 1,
    delayMs,
    reason,
  });
  const retry = (reason: string) =>
    again(pauseLeft(backoffDelay({ ...backoff, random }, failures), event.tookMs ?? 0), reason);

  switch (end.kind) {
    case "refused":
      if (end.status === 401 && state.auth === "header" && context.tokenInQuery) {
        return again(
          0,
          "the server does not take the token as a header (401): trying it in the address (token_in_query), once",
          "query",
        );
      }
      if (end.status === STATUS_PENDING) {
        const pause = again(between(PENDING_WAIT_MS, random), pendingReason(context.subject));
        return pause.phase === "waiting" ? { ...pause, isPending: true } : pause;
      }
      return refusalOr(end.status, context.subject, retry);
    case "closed":
      if (end.code === CLOSE_DELETED)
        return { phase: "stopped", error: deletedError(context.subject, end.reason) };
      if (end.code === CLOSE_SUPERSEDED) {
        return again(
          between(SUPERSEDED_WAIT_MS, random),
          end.reason.startsWith("superseded")
            ? end.reason
            : `superseded by ${end.reason || "another connection of this agent id"}`,
        );
      }
      return retry(describeClose(end.code, end.reason));
    default:
      return retry(end.reason);
  }
}

function between([least, most]: readonly [number, number], random: () => number): number {
  return least + random() * (most - least);
}

function refusalOr(
  status: number,
  subject: RefusalSubject,
  retry: (reason: string) => UplinkState,
): UplinkState {
  const error = refusalError(status, subject);
  if (error) return { phase: "stopped", error };
  // A page or a redirect: the address is wrong, or a proxy on the way knows no WebSockets.
  const odd =
    status >= 200 && status < 400 ? ", which is no WebSocket: is that a Rexec server's address?" : "";
  return retry(`${subject.host} answered ${status}${odd}`);
}

function describeClose(code: number, reason: string): string {
  if (code === 1006) return "the connection broke";
  const words = code === 1001 ? "the server is going away" : `the server closed the connection (${code})`;
  return reason ? `${words}: ${reason}` : words;
}
