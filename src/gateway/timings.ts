/** Intervals and timeouts of the gateway. */
import { DEAD_PEER_MS, PING_INTERVAL_MS } from "../protocol/limits.ts";

/** All in milliseconds. Tests shorten them; the defaults are `TIMINGS`. */
export interface Timings {
  /** Interval of the tick over sockets and rooms. */
  tickMs: number;
  /** A v1 socket is pinged this often, and closed after `deadPeerMs` of silence. */
  pingMs: number;
  deadPeerMs: number;
  /** A viewer that has output waiting and takes none of it for this long is closed. */
  viewerStallMs: number;
  /** Grace period of a split session whose viewer left: time to reconnect after a dropped line. */
  splitGraceMs: number;
  /** Grace period of an agent that dropped off: its viewers stay connected. */
  agentGraceMs: number;
  /** An exec fails this long after the timeout that the agent has to enforce. */
  execGraceMs: number;
  /** A v2 socket is pinged after `v2PingMs` of silence, and closed after `v2DeadMs`. */
  v2PingMs: number;
  v2DeadMs: number;
  /** Grace period of a viewer that dropped off: its position is kept. */
  viewerGraceMs: number;
  /** Grace period in which the size of a viewer that dropped off still counts. */
  sizeGraceMs: number;
  /** An ended session is listed for this long. */
  endedMs: number;
  /** A viewer that keeps falling behind gets a fresh screen at most this often. */
  screenEveryMs: number;
  /** An ephemeral agent is deleted after this long without a connection. */
  ephemeralMs: number;
  /** The files of the certificate are read this often, and so long after a change of their folder. */
  tlsPollMs: number;
  tlsSettleMs: number;
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
  viewerGraceMs: 2 * 60_000,
  sizeGraceMs: 10_000,
  endedMs: 5 * 60_000,
  screenEveryMs: 500,
  ephemeralMs: 10 * 60_000,
  tlsPollMs: 30_000,
  tlsSettleMs: 500,
  stopMs: 2_000,
};
