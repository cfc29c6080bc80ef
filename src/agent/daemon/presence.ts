/** A running agent makes itself known on its machine: the lock, so that there is no second one, and the control socket. */
import { mkdirSync, statSync } from "node:fs";
import { messageOf, RexecError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { RuntimePlace } from "../control/place.ts";
import { type ControlHandlers, startControl } from "../control/server.ts";
import { type RuntimeLock, takeLock } from "./lock.ts";

export interface Presence extends Disposable {
  readonly lock: RuntimeLock;
}

export interface PresenceOptions {
  place: RuntimePlace;
  handlers: ControlHandlers;
  logger: Logger;
  /** Whether it must not run unseen: one in the background could be found by nobody. */
  isRequired: boolean;
}

/**
 * @returns null where the folder cannot be used and that is no obstacle: a machine on which nobody can ask the agent
 * is served all the same
 * @throws RexecError `already_running`; `runtime_folder` where it is required
 */
export async function appear(options: PresenceOptions): Promise<Presence | null> {
  const { place, handlers, logger } = options;
  using undo = new DisposableStack();
  try {
    makeFolder(place.folder);
    const lock = undo.use(await takeLock(place));
    undo.use(await startControl({ place, handlers, logger }));
    const all = undo.move();
    return { lock, [Symbol.dispose]: () => all.dispose() };
  } catch (error) {
    if (error instanceof RexecError && error.code === "already_running") throw error;
    const message = `cannot keep its pid file and control socket in ${place.folder}: ${messageOf(error)}`;
    const hint = "name a folder of its own that it can write, with XDG_RUNTIME_DIR";
    if (options.isRequired) throw new RexecError(message, { code: "runtime_folder", hint, cause: error });
    logger.warn(`${message}; status, stop and the like will not find this agent (${hint})`);
    return null;
  }
}

// --- internal ---

/** Only its owner may come near the socket; a folder of somebody else's is not to be trusted. */
function makeFolder(folder: string): void {
  if (!statSync(folder, { throwIfNoEntry: false })) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = statSync(folder);
  if (uid !== process.getuid?.()) throw new Error(`it belongs to another account (uid ${uid})`);
  if ((mode & 0o022) !== 0) throw new Error(`others may write to it (mode ${(mode & 0o777).toString(8)})`);
}
