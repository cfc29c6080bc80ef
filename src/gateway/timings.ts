/** How long the gateway waits for what, milliseconds. */
import { DEAD_PEER_MS, PING_INTERVAL_MS } from "../protocol/limits.ts";

export interface Timings {
  /** Sockets are looked after this often. */
  tickMs: number;
  /** A socket is pinged this often, and given up after `deadPeerMs` of silence. */
  pingMs: number;
  deadPeerMs: number;
  /** A viewer that has output waiting and takes nothing of it for this long is closed. */
  viewerStallMs: number;
  /** A split session whose viewer left ends after this: time to come back after a dropped line. */
  splitGraceMs: number;
  /** Viewers wait this long for an agent that dropped off. */
  agentGraceMs: number;
  /** An exec is failed this long after the timeout that the agent was to enforce. */
  execGraceMs: number;
  /** The same two for a socket that speaks rexec.v2, which is pinged after `v2PingMs` of silence. */
  v2PingMs: number;
  v2DeadMs: number;
  /** What a viewer that dropped off had asked for is kept for it this long. */
  holdMs: number;
  /** Whose size a session has still counts this long after they dropped off. */
  sizeGraceMs: number;
  /** What is known of a session that ended is forgotten after this. */
  endedMs: number;
  /** A viewer that keeps falling behind gets a fresh screen at most this often. */
  screenEveryMs: number;
  /** An agent that registered as ephemeral is forgotten after being away for this long. */
  ephemeralMs: number;
  /** At shutdown, sockets and requests get this long to end. */
  stopMs: number;
}

export const TIMINGS: Timings = {
  tickMs: 1_000,
  pingMs: PING_INTERVAL_MS,
  deadPeerMs: DEAD_PEER_MS,
  viewerStallMs: 60_000,
  splitGraceMs: 60_000,
  agentGraceMs: 5 * 60_000,
  execGraceMs: 30_000,
  v2PingMs: 3_000,
  v2DeadMs: 8_000,
  holdMs: 2 * 60_000,
  sizeGraceMs: 10_000,
  endedMs: 5 * 60_000,
  screenEveryMs: 500,
  ephemeralMs: 10 * 60_000,
  stopMs: 2_000,
};
