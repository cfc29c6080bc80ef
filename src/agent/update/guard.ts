/**
 * The other half of an update, in the new program: it says that it is well, or goes back. Whoever made the update
 * watches too (update.ts); this is for when that one is gone: after a power cut, or where a service manager ended it.
 */
import { existsSync } from "node:fs";
import { messageOf, RexecError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { COMMIT, VERSION } from "../../lib/version.ts";
import type { UplinkState } from "../uplink-state.ts";
import { readMark } from "./mark.ts";
import { type UpdatePlace, updatePlace } from "./place.ts";
import { confirm, note, swapBack } from "./swap.ts";

/** Starts without a connection before the one that goes back. */
const MOST_STARTS = 3;
/** How long the first connection may take, ms; longer than whoever watches waits. */
const LIMIT_MS = 120_000;

export interface GuardOptions {
  /** Of this program. */
  executable: string;
  logger: Logger;
  /** The old program is in its place again: this one has to make way. */
  onBack(reason: string): void;
  limitMs?: number;
}

export interface Guard extends Disposable {
  /** Give it every state of the uplink. */
  state(state: UplinkState): void;
}

/**
 * Looks whether this is the first life of a new version.
 * @throws RexecError `update_rolled_back` where it has failed too often: the next start is the old one's
 */
export function guardUpdate({ executable, logger, onBack, limitMs = LIMIT_MS }: GuardOptions): Guard {
  const idle: Guard = { state() {}, [Symbol.dispose]() {} };
  const place = placeOf(executable);
  const pending = place && readMark(place).pending;
  if (!place || !pending) return idle;
  const self = `${VERSION} (${COMMIT})`;
  if (pending.to !== self) {
    // The old one is back, or was never replaced.
    tryTo(logger, () => note(place, ({ failed }) => (failed ? { failed } : {})));
    return idle;
  }
  const version = pending.to.split(" ")[0] ?? pending.to;
  const starts = pending.starts + 1;
  if (starts > MOST_STARTS && back(place, version, `${MOST_STARTS} starts brought no connection`, logger)) {
    throw new RexecError(
      `the update to ${version} was taken back: ${MOST_STARTS} starts brought no connection`,
      {
        code: "update_rolled_back",
        hint: `${pending.from} is in place again: start it`,
      },
    );
  }
  tryTo(logger, () => note(place, (mark) => ({ ...mark, pending: { ...pending, starts } })));
  let isProved = false;
  const timer = setTimeout(() => {
    const reason = `it was not connected ${limitMs / 1000} s after its start`;
    if (!isProved && pending.connected && back(place, version, reason, logger)) onBack(reason);
  }, limitMs);
  return {
    state({ phase }) {
      if (phase !== "connected" || isProved) return;
      isProved = true;
      clearTimeout(timer);
      confirm(place);
      logger.info(`updated from ${pending.from} to ${pending.to}`);
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

// --- internal ---

function placeOf(executable: string): UpdatePlace | null {
  try {
    const place = updatePlace(executable);
    return existsSync(place.mark) ? place : null;
  } catch {
    return null; // the file was removed while it runs
  }
}

/** False where it cannot be done: then there is nothing better than going on. */
function back(place: UpdatePlace, version: string, reason: string, logger: Logger): boolean {
  let isDone = false;
  tryTo(logger, () => {
    isDone = swapBack(place, version, reason);
  });
  if (isDone) logger.error(`the update to ${version} was taken back: ${reason}`);
  return isDone;
}

function tryTo(logger: Logger, work: () => void): void {
  try {
    work();
  } catch (error) {
    logger.warn(`an update is not proved yet, and ${messageOf(error)}`);
  }
}
