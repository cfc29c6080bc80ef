/** Finds the agent that runs with a configuration file, by its lock and its control socket. */
import { type ProcessEntry, readProcess } from "../../pty/procfs.ts";
import { askStatus } from "../control/client.ts";
import type { AgentStatus } from "../control/messages.ts";
import type { RuntimePlace } from "../control/place.ts";
import { lockHolder } from "./lock.ts";

/** How long an agent may take to say how it is, ms; one that hangs is told by its lock. */
const ANSWER_MS = 3_000;

/** A running agent, by its lock. */
export interface FoundAgent {
  readonly place: RuntimePlace;
  /** Null where /proc does not show it. */
  readonly process: ProcessEntry | null;
  /** What it says of itself; null where it does not answer. */
  readonly status: AgentStatus | null;
}

/**
 * @param places of `runtimePlaces`
 * @returns null where none runs
 * @throws RexecError `agent_forbidden` where it is another account's
 */
export async function findAgent(places: readonly RuntimePlace[]): Promise<FoundAgent | null> {
  for (const place of places) {
    const holder = lockHolder(place);
    const status = await statusOf(place, holder !== null);
    if (holder === null && status === null) continue;
    return { place, process: holder?.process ?? readProcess(status?.pid ?? 0), status };
  }
  return null;
}

// --- internal ---

async function statusOf(place: RuntimePlace, mustBeThere: boolean): Promise<AgentStatus | null> {
  try {
    return await askStatus(place, ANSWER_MS);
  } catch (error) {
    // It hangs, or is of another version: the lock says enough.
    if (mustBeThere) return null;
    throw error;
  }
}
