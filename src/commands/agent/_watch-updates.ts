/** What a running agent does for its updates: it proves a new version that it is, and looks for the next one. */
import { existsSync } from "node:fs";
import type { AgentConfig } from "../../agent/config/config.ts";
import { autoUpdate } from "../../agent/update/auto.ts";
import type { Guard, GuardOptions } from "../../agent/update/guard.ts";
import { markPath } from "../../agent/update/mark-path.ts";
import type { UplinkState } from "../../agent/uplink/state.ts";
import { ExitCode, RexecError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { replaceProcess } from "../../pty/replace-process.ts";
import { ownWords } from "./_own-words.ts";

/** Watches a program that an update has just put in place. The command `start` owns it. */
export interface UpdateWatch extends Disposable {
  /** Give it every state of the uplink. */
  state(state: UplinkState): void;
  /** How the former program takes over with all shells, now that there may be some. */
  goBackBy(restart: () => Promise<void>): void;
  /** The agent ends with that error. */
  failed(error: unknown): void;
  /** Aborts where the former program is in its place again: then the agent is to end, and `leave` to be called. */
  readonly signal: AbortSignal;
  /** Goes on as the former program, in this very process; returns where there is no cause to. */
  leave(): void;
}

export async function watchUpdates({
  config,
  logger,
}: {
  config: AgentConfig;
  logger: Logger;
}): Promise<UpdateWatch> {
  using undo = new DisposableStack();
  const ends = new AbortController();
  let restart: (() => Promise<void>) | null = null;
  const onBack = () => void (restart?.().catch(() => ends.abort()) ?? ends.abort());
  const leave = () => {
    const { execPath: path, env } = process;
    if (ends.signal.aborted) replaceProcess({ path, argv: [path, ...process.argv.slice(2)], env, keep: [] });
  };
  const guard = undo.use(await guardOf({ executable: process.execPath, logger, onBack }));
  leave(); // nothing has been opened yet
  const command = [process.execPath, ...ownWords(), "auto-update", `--config=${config.path}`];
  const auto =
    config.updateMs === undefined
      ? null
      : undo.use(autoUpdate({ intervalMs: config.updateMs, command, logger }));
  const all = undo.move();
  return {
    state(state) {
      guard?.state(state);
      auto?.state(state);
    },
    goBackBy(how) {
      restart = how;
    },
    failed(error) {
      restart = null; // its shells are gone
      // That an agent runs already, for example, says nothing of the version.
      if (error instanceof RexecError && error.exitCode === ExitCode.rejected) guard?.failed(error.message);
    },
    signal: ends.signal,
    leave,
    [Symbol.dispose]: () => all.dispose(),
  };
}

// --- internal ---

/** Null where this is not the first life of a version: nearly always. */
async function guardOf(options: GuardOptions): Promise<Guard | null> {
  if (!existsSync(markPath(options.executable))) return null;
  const { guardUpdate } = await import("../../agent/update/guard.ts");
  return guardUpdate(options);
}
