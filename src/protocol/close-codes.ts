/** WebSocket close codes of our own (4000 to 4999 are free for applications, RFC 6455 section 7.4.2). */

/** The same agent id connected again; this connection is the older one. The reason says from where. */
export const CLOSE_SUPERSEDED = 4001;
/** The agent was deleted, or its token was revoked or has expired: final. The reason says which. */
export const CLOSE_DELETED = 4004;
/** Reasons of ours with `CLOSE_DELETED`. */
export const REASON_AGENT_DELETED = "the agent was deleted";
export const REASON_TOKEN_REVOKED = "the token was revoked";
export const REASON_TOKEN_EXPIRED = "the token expired";
export const REASON_ACCESS_ENDED = "the right to this agent was taken away";
/** The HTTP status of an agent's socket while its machine waits to be accepted ("Locked"): dial again. */
export const STATUS_PENDING = 423;
/** Nothing is wrong, but this connection cannot go on as it is: connect again ("service restart", IANA's registry). */
export const CLOSE_RETRY = 1012;
/** A limit is reached: later there may be room ("try again later", IANA's registry). */
export const CLOSE_TRY_LATER = 1013;
/** The server is shutting down; come back soon. (1001 is the standard's "going away".) */
export const CLOSE_GOING_AWAY = 1001;
/** The same viewer id connected again; this connection is the older one. */
export const CLOSE_VIEWER_REPLACED = 4002;
/** The viewer's agent is gone. */
export const CLOSE_AGENT_OFFLINE = 4003;
/** The viewer's session ended: its shell exited. */
export const CLOSE_SESSION_ENDED = 4005;
/** An administrator or a manager of the machine closed the viewer's connection: final. */
export const CLOSE_KICKED = 4006;
export const REASON_KICKED = "your connection was closed by a manager of this machine";
/** The peer sent too much that could not be understood, or did not read for too long. */
export const CLOSE_POLICY = 1008;
/** A message of more bytes than there may be (RFC 6455). */
export const CLOSE_TOO_BIG = 1009;
/** The peer broke the rules of rexec.v2: a bug at either end (RFC 6455). */
export const CLOSE_PROTOCOL = 1002;
/** A fault of ours in what this connection asked for (RFC 6455, "internal error"): connect again. */
export const CLOSE_FAULT = 1011;

/** What became of the token, by the reason of a `CLOSE_DELETED`; null where it is about something else. */
export function tokenEnd(reason: string): "revoked" | "expired" | null {
  if (!/\btoken\b/i.test(reason)) return null;
  if (/\brevoked\b/i.test(reason)) return "revoked";
  return /\bexpired\b/i.test(reason) ? "expired" : null;
}
