/** A running agent makes itself known on its machine: the lock, so that there is no second one, and the control socket. */
import { lstatSync, mkdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { messageOf, RexecError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { RuntimePlace } from "../control/place.ts";
import { type ControlHandlers, startControl } from "../control/server.ts";
import { assertOwnFolder } from "../trust/own-file.ts";
import { type RuntimeLock, takeLock } from "./lock.ts";

/** How often it is looked whether its files are still there, ms. */
const LOOK_MS = 15_000;

/** What makes an agent known on its machine. */
export interface PresenceOptions {
  /** Where it may be, the best first. */
  places: readonly RuntimePlace[];
  handlers: ControlHandlers;
  logger: Logger;
  /** Whether it must not run unseen: one in the background could not be found. */
  isRequired: boolean;
  lookMs?: number;
}

/** An agent's lock and control socket. Owned by the agent; they go with it. */
export interface Presence extends Disposable {
  /** Lets the lock outlive an execve of this process; see `RuntimeLock`. */
  keepOverExec(keep: boolean): void;
}

/**
 * Its files can be lost while it runs (`/run/user/UID` goes with its user's last login): they are then made anew.
 * @returns null where no place can be used and that is no obstacle: a machine on which the agent cannot be asked is
 * served all the same
 * @throws RexecError `already_running`; `runtime_folder` where one is required
 */
export async function appear(options: PresenceOptions): Promise<Presence | null> {
  const { logger, isRequired, lookMs = LOOK_MS } = options;
  const first = await settle(options);
  if ("problem" in first) {
    const hint = "name a folder of its own that it can write, with XDG_RUNTIME_DIR";
    if (isRequired) throw new RexecError(first.problem, { code: "runtime_folder", hint });
    logger.warn(`${first.problem}; status, stop and the like will not find this agent (${hint})`);
    return null;
  }
  let here: Settled = first;
  let isMoving = false;
  const look = async () => {
    if (isMoving || here.lock.isThere()) return;
    isMoving = true;
    try {
      const next = await settle(options);
      if ("problem" in next) return;
      here.all.dispose();
      here = next;
      logger.warn(`its pid file was removed: it is now ${next.place.pid}`);
    } catch (error) {
      logger.warn(`its pid file was removed, and ${messageOf(error)}`);
    } finally {
      isMoving = false;
    }
  };
  const timer = setInterval(() => void look(), lookMs);
  timer.unref();
  return {
    keepOverExec: (keep) => here.lock.keepOverExec(keep),
    [Symbol.dispose]() {
      clearInterval(timer);
      here.all.dispose();
    },
  };
}

// --- internal ---

interface Settled {
  place: RuntimePlace;
  lock: RuntimeLock;
  all: DisposableStack;
}

/** The first place that can be used. @throws RexecError `already_running` */
async function settle(options: PresenceOptions): Promise<Settled | { problem: string }> {
  let problem = "";
  for (const place of options.places) {
    using undo = new DisposableStack();
    try {
      makeFolder(place.folder);
      const lock = undo.use(await takeLock(place));
      undo.use(await startControl({ place, ...options }));
      return { place, lock, all: undo.move() };
    } catch (error) {
      if (error instanceof RexecError && error.code === "already_running") throw error;
      problem ||= `cannot keep a pid file and a control socket in ${place.folder}: ${messageOf(error)}`;
    }
  }
  return { problem };
}

/** Only its owner may come near the socket; another account's folder is not to be trusted. */
function makeFolder(folder: string): void {
  // The folder around it is ours only in a home: an XDG_RUNTIME_DIR that is gone is not ours to make.
  const recursive = basename(dirname(folder)) === ".rexec";
  if (!lstatSync(folder, { throwIfNoEntry: false })) mkdirSync(folder, { recursive, mode: 0o700 });
  assertOwnFolder(folder);
}
