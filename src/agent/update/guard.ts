/**
 * The other half of an update, in the new program: it says that it is well, or goes back. The command that made the update
 * watches too (update.ts); this is for when that one is gone: after a power cut, or where a service manager ended it.
 */
import { existsSync } from "node:fs";
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { COMMIT, VERSION } from "../../lib/version.ts";
import type { UplinkState } from "../uplink/state.ts";
import { readMark } from "./mark.ts";
import { type UpdatePlace, updatePlace } from "./place.ts";
import { confirm, note, swapBack } from "./swap.ts";

/** Starts without a connection before the one that goes back. */
const MOST_STARTS = 3;
/** How long the first connection may take, ms; longer than the watching command waits. */
const LIMIT_MS = 120_000;

/** The version that has to prove itself. */
export interface GuardOptions {
  /** Of this program. */
  executable: string;
  logger: Logger;
  /** The former program is in its place again: this one has to make way for it. */
  onBack(): void;
  limitMs?: number;
}

/** Watches the first life of a new version: proved by a connection, or taken back. */
export interface Guard extends Disposable {
  /** Give it every state of the uplink. */
  state(state: UplinkState): void;
  /** The agent ends with an error: where it has proved nothing yet, the former program takes its place. */
  failed(reason: string): void;
}

/** Looks whether this is the first life of a new version. `onBack` may be called before it returns. */
export function guardUpdate({ executable, logger, onBack, limitMs = LIMIT_MS }: GuardOptions): Guard {
  const idle: Guard = { state() {}, failed() {}, [Symbol.dispose]() {} };
  const place = placeOf(executable);
  const pending = place && readMark(place).pending;
  if (!place || !pending) return idle;
  if (pending.to !== `${VERSION} (${COMMIT})`) {
    // The old one is back, or was never replaced.
    tryTo(logger, () => note(place, ({ failed }) => (failed ? { failed } : {})));
    return idle;
  }
  let isOpen = true;
  const goBack = (reason: string) => {
    if (!isOpen) return;
    isOpen = false;
    if (pending.connected && back(place, { version: VERSION, reason, kept: pending.kept }, logger)) onBack();
  };
  const starts = pending.starts + 1;
  if (starts > MOST_STARTS) {
    goBack(`${MOST_STARTS} starts brought no connection`);
    return idle;
  }
  tryTo(logger, () => note(place, (mark) => ({ ...mark, pending: { ...pending, starts } })));
  const timer = setTimeout(() => goBack(`it was not connected ${limitMs / 1000} s after its start`), limitMs);
  return {
    state({ phase }) {
      if (phase !== "connected" || !isOpen) return;
      isOpen = false;
      clearTimeout(timer);
      confirm(place);
      logger.info(`updated from ${pending.from} to ${pending.to}`);
    },
    failed: (reason) => goBack(reason),
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
function back(place: UpdatePlace, why: Parameters<typeof swapBack>[1], logger: Logger): boolean {
  let isDone = false;
  tryTo(logger, () => {
    isDone = swapBack(place, why);
  });
  if (isDone) logger.error(`the update to ${why.version} was taken back: ${why.reason}`);
  return isDone;
}

function tryTo(logger: Logger, work: () => void): void {
  try {
    work();
  } catch (error) {
    logger.warn(`an update is not proved yet, and ${messageOf(error)}`);
  }
}
