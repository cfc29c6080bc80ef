/** Waits a moment for a machine, or its server, that is between two connections: it will be there in a second. */
import { type Clock, systemClock } from "../lib/clock.ts";
import { RexecError } from "../lib/errors.ts";
import { HttpError } from "../lib/http.ts";
import type { Agent } from "../protocol/http.ts";
import { getAgent, type Server } from "./api.ts";

/** How long to wait, and a callback for the user. */
export interface Wait {
  /** Null: `DEFAULT_WAIT_MS`, and only for what was there a moment ago. 0 waits for nothing. */
  ms: number | null;
  /** Called once, when the waiting begins. */
  onWaiting(reason: string, ms: number): void;
  signal?: AbortSignal | undefined;
  clock?: Clock | undefined;
}

/** For a machine that was there within `RECENT_MS`. */
export const DEFAULT_WAIT_MS = 5_000;
/** For a server that refuses connections: one that restarts is back sooner. */
const DEFAULT_SERVER_WAIT_MS = 2_000;
const RECENT_MS = 10_000;
const TRY_EVERY_MS = 250;

/** A machine, or null for the server alone. */
export type Awaited = { server: Server; agentId: string } | null;

/**
 * Does it, again and again while the machine or its server is away and likely to come back.
 * @throws what `action` threw last
 */
export async function whenThere<T>(awaited: Awaited, wait: Wait, action: () => Promise<T>): Promise<T> {
  const clock = wait.clock ?? systemClock;
  const begun = clock.now();
  let limitMs: number | null = null;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      const absence = absenceOf(error);
      if (absence === null || wait.signal?.aborted) throw error;
      const limit: number = limitMs ?? (await limitFor(absence, awaited, wait));
      const leftMs = limit - (clock.now() - begun);
      if (leftMs <= 0) throw error;
      if (limitMs === null && error instanceof RexecError) wait.onWaiting(error.message, limit);
      limitMs = limit;
      await clock.sleep(Math.min(TRY_EVERY_MS, leftMs), wait.signal);
    }
  }
}

// --- internal ---

type Absence = "agent" | "server";

/** Whether the agent or its server is away; null for any other failure. */
function absenceOf(error: unknown): Absence | null {
  if (error instanceof HttpError) {
    if (error.serverCode === "agent_offline") return "agent";
    // A proxy whose server is being restarted.
    return [502, 503, 504].includes(error.status) && error.serverCode === undefined ? "server" : null;
  }
  if (!(error instanceof RexecError)) return null;
  if (error.code === "agent_offline") return "agent";
  return error.code === "unreachable" && /refuses/.test(error.message) ? "server" : null;
}

async function limitFor(absence: Absence, awaited: Awaited, { ms, signal }: Wait): Promise<number> {
  if (ms !== null) return ms;
  if (absence === "server") return DEFAULT_SERVER_WAIT_MS;
  if (awaited === null) return 0;
  const agent = await getAgent(awaited.server, awaited.agentId, signal).catch(() => null);
  return agent && wasThere(agent) ? DEFAULT_WAIT_MS : 0;
}

/** Our gateway says so; of another server the last sign of life tells, by clocks that may differ. */
function wasThere({ returning, status, last_ping, connected_at }: Agent): boolean {
  if (typeof returning === "boolean") return returning;
  if (status === "online") return true;
  return [last_ping, connected_at].some((time) => Math.abs(Date.now() - Date.parse(time ?? "")) < RECENT_MS);
}
