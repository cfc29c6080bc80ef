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
  stopMs: 2_000,
};
