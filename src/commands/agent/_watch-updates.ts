/** What a running agent does for its updates: it proves a new version that it is, and looks for the next one. */
import type { AgentConfig } from "../../agent/config.ts";
import { autoUpdate } from "../../agent/update/auto.ts";
import { guardUpdate } from "../../agent/update/guard.ts";
import type { UplinkState } from "../../agent/uplink-state.ts";
import type { Logger } from "../../lib/log.ts";
import { ownWords } from "./_updates.ts";

export interface UpdateWatch extends Disposable {
  /** Give it every state of the uplink. */
  state(state: UplinkState): void;
}

/** @throws RexecError `update_rolled_back` where this program has failed too often, and is replaced by the former one */
export function watchUpdates({ config, logger }: { config: AgentConfig; logger: Logger }): UpdateWatch {
  using undo = new DisposableStack();
  const onBack = (reason: string) => {
    // What comes next is the service manager's, or a person's: the former version is in place.
    logger.error(`ending: ${reason}`);
    process.exit(1);
  };
  const guard = undo.use(guardUpdate({ executable: process.execPath, logger, onBack }));
  const command = [process.execPath, ...ownWords(), "auto-update", `--config=${config.path}`];
  const auto =
    config.updateMs === undefined
      ? null
      : undo.use(autoUpdate({ intervalMs: config.updateMs, command, logger }));
  const all = undo.move();
  return {
    state(state) {
      guard.state(state);
      auto?.state(state);
    },
    [Symbol.dispose]: () => all.dispose(),
  };
}
