/**
 * The connection to the server as a machine: what happened in, what to do next out. No socket, no clock.
 *
 * dialling --opened--> connected --ended--> waiting --waited--> dialling; a final end or `stop` leads to stopped.
 */
import { type BackoffOptions, backoffDelay, RECONNECT } from "../lib/backoff.ts";
import type { RexecError } from "../lib/errors.ts";
import { CLOSE_DELETED, CLOSE_SUPERSEDED } from "../protocol/close-codes.ts";
import { deletedError, type RefusalSubject, refusalError } from "./refusal.ts";

/** Where the token goes: the query form only where a server did not take the header. */
export type Auth = "header" | "query";

export type UplinkState =
  | { phase: "dialling"; auth: Auth; failures: number }
  | { phase: "connected"; auth: Auth; failures: number; since: number }
  | { phase: "waiting"; auth: Auth; failures: number; delayMs: number; reason: string }
  | { phase: "stopped"; error: RexecError | null };

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
  | { type: "opened"; at: number }
  | { type: "ended"; end: ConnectionEnd; at: number }
  | { type: "waited" }
  | { type: "stop" };

export interface UplinkContext {
  subject: RefusalSubject;
  backoff?: BackoffOptions;
  /** Even in [0, 1). */
  random?: () => number;
}

/** How long one waits that was replaced by another connection of the same agent, ms: minutes, so that there is no duel. */
export const SUPERSEDED_WAIT_MS = [120_000, 300_000] as const;

export const INITIAL: UplinkState = { phase: "dialling", auth: "header", failures: 0 };

/** The next state. An event that has no place in a state changes nothing. */
export function transition(state: UplinkState, event: UplinkEvent, context: UplinkContext): UplinkState {
  if (event.type === "stop") return state.phase === "stopped" ? state : { phase: "stopped", error: null };
  if (event.type === "opened") {
    if (state.phase !== "dialling") return state;
    return { phase: "connected", auth: state.auth, failures: state.failures, since: event.at };
  }
  if (event.type === "waited") {
    return state.phase === "waiting"
      ? { phase: "dialling", auth: state.auth, failures: state.failures }
      : state;
  }
  if (state.phase !== "dialling" && state.phase !== "connected") return state;
  return afterEnd(state, event.end, event.at, context);
}

// --- internal ---

type Live = Extract<UplinkState, { phase: "dialling" | "connected" }>;

function afterEnd(state: Live, end: ConnectionEnd, at: number, context: UplinkContext): UplinkState {
  const backoff = context.backoff ?? RECONNECT;
  const lived = state.phase === "connected" ? at - state.since : 0;
  const failures = lived >= backoff.healthyAfterMs ? 0 : state.failures;
  const random = context.random ?? Math.random;
  const again = (delayMs: number, reason: string, auth = state.auth): UplinkState => ({
    phase: "waiting",
    auth,
    failures: failures + 1,
    delayMs,
    reason,
  });
  const retry = (reason: string) => again(backoffDelay({ ...backoff, random }, failures), reason);

  switch (end.kind) {
    case "refused":
      if (end.status === 401 && state.auth === "header") {
        return again(
          0,
          "the server does not take the token as a header (401): trying it in the address, once",
          "query",
        );
      }
      return refusalOr(end.status, context.subject, retry);
    case "closed":
      if (end.code === CLOSE_DELETED)
        return { phase: "stopped", error: deletedError(context.subject, end.reason) };
      if (end.code === CLOSE_SUPERSEDED) {
        const [least, most] = SUPERSEDED_WAIT_MS;
        return again(
          least + random() * (most - least),
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
