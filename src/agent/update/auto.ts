/** Updates without being asked: a process of its own does the work now and then, so that the agent stays small. */
import { type Clock, systemClock } from "../../lib/clock.ts";
import { LONGEST_TIMER_MS } from "../../lib/duration.ts";
import type { Logger } from "../../lib/log.ts";
import { withOpenFilesAsBefore } from "../../pty/open-files.ts";
import type { UplinkState } from "../uplink/state.ts";

/** The first look comes at some moment of this time, ms: a thousand agents that were started together spread over it. */
const FIRST_WITHIN_MS = 3_600_000;
const SHORTEST_MS = 1_000;
/** Part of the interval by which each later look is earlier or later. */
const JITTER = 0.1;

/** How often a newer version is looked for, and by which command. */
export interface AutoUpdateOptions {
  intervalMs: number;
  /** What looks and updates. */
  command: readonly string[];
  logger: Logger;
  clock?: Clock;
  /** Even in [0, 1). */
  random?: () => number;
}

/** Looks for newer versions while the agent runs. Owned by the command that started it. */
export interface AutoUpdate extends Disposable {
  /** Give it every state of the uplink: it begins with the first connection. */
  state(state: UplinkState): void;
}

/** Pauses in ms between the first connection and each look. */
export function* pauses(intervalMs: number, random: () => number): Generator<number, never> {
  yield random() * Math.min(FIRST_WITHIN_MS, intervalMs);
  for (;;) yield intervalMs * (1 - JITTER + 2 * JITTER * random());
}

export function autoUpdate(options: AutoUpdateOptions): AutoUpdate {
  const { command, logger, clock = systemClock, random = Math.random } = options;
  const intervalMs = Math.min(Math.max(options.intervalMs, SHORTEST_MS), LONGEST_TIMER_MS / 2);
  const ends = new AbortController();
  let hasBegun = false;
  let isConnected = false;
  const go = async () => {
    for (const pauseMs of pauses(intervalMs, random)) {
      await clock.sleep(pauseMs, ends.signal);
      if (ends.signal.aborted) return;
      if (isConnected) await look(command, logger);
    }
  };
  return {
    state({ phase }) {
      isConnected = phase === "connected";
      if (!isConnected || hasBegun) return;
      hasBegun = true;
      void go();
    },
    [Symbol.dispose]: () => ends.abort(),
  };
}

// --- internal ---

/** What it says goes where the agent's own log goes. It outlives the agent, which it may replace. */
async function look(command: readonly string[], logger: Logger): Promise<void> {
  logger.debug("looking for a newer version");
  try {
    const child = withOpenFilesAsBefore(() =>
      Bun.spawn([...command], { cwd: "/", detached: true, stdio: ["ignore", "ignore", "inherit"] }),
    );
    child.unref();
    await child.exited;
  } catch (error) {
    logger.warn(`cannot look for a newer version: ${error instanceof Error ? error.message : String(error)}`);
  }
}
