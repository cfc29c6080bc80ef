/**
 * Replaces this process by the (possibly new) program, with all shells and commands that it serves. Until the very last
 * step everything can go on as before, and does where that step fails.
 */

import { closeSync } from "node:fs";
import { constants } from "node:os";
import { counted } from "../../lib/count.ts";
import { messageOf, RexecError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { Sender } from "../../link/sender.ts";
import { closeAllOnExec, replaceProcess } from "../../pty/replace-process.ts";
import type { RunManager } from "../commands/run-manager.ts";
import type { Presence } from "../daemon/presence.ts";
import type { SessionManager } from "../sessions/session-manager.ts";
import type { Pause } from "../uplink/pause.ts";
import type { ExecManager } from "../v1/exec-manager.ts";
import { HANDOVER } from "./inherited.ts";
import { pack } from "./parcel.ts";
import { assertStarts, type Program, programOf } from "./program.ts";
import { type Envelope, HANDOVER_VERSION, type Handover } from "./schema.ts";

/** The parts of an agent that a restart brings to rest. */
export interface RestarterOptions {
  sessions: SessionManager;
  runs: RunManager;
  execs: ExecManager;
  sender: Sender;
  pause: Pause;
  logger: Logger;
  env: Readonly<Record<string, string | undefined>>;
  /** The agent stops: that goes before. */
  signal: AbortSignal;
  presence(): Presence | null;
  /** What the image before has handed over. */
  inherited: Handover | null;
}

/** What is to run, and why. */
export interface RestartRequest {
  /** Absolute path of the program; this one by default, or what is in its place now. */
  binary?: string | undefined;
  /** For the log. */
  reason: string;
}

/** What came of it, for `status`. */
export interface RestartInfo {
  /** How often this process was replaced. */
  count: number;
  /** What was kept the last time. */
  sessions: number;
  commands: number;
  /** Why the last attempt failed, where it did after that. */
  problem: string | null;
}

/** A restart that was tried and can be done. */
export interface Prepared {
  readonly version: string;
  readonly sessions: number;
  readonly commands: number;
  /** Does not settle where it succeeds. @throws RexecError `restart_failed`; the agent goes on as before then */
  go(): Promise<void>;
}

/** How long what is on its way to the server may take, ms. */
const DRAIN_MS = 1_000;
/** How long the server may take to see the connection closed, ms. */
const CLOSE_MS = 2_000;
/** How long commands of rexec.v1 may take to end, ms: they cannot be handed over. */
const COMMANDS_MS = 5_000;
/** How long a shell that has ended may take to be waited for, ms. */
const SETTLE_MS = 1_000;

/** Owned by the agent: one restart at a time. */
export class Restarter {
  readonly #options: RestarterOptions;
  #isBusy = false;
  #problem: string | null = null;

  constructor(options: RestarterOptions) {
    this.#options = options;
  }

  get info(): RestartInfo {
    const { inherited } = this.#options;
    return {
      count: inherited?.count ?? 0,
      sessions: inherited?.sessions.sessions.length ?? 0,
      commands: inherited?.runs.length ?? 0,
      problem: this.#problem,
    };
  }

  /**
   * Sees whether it can be done; nothing has happened then.
   * @throws RexecError `restart_busy`, `restart_refused`
   */
  async prepare(request: RestartRequest): Promise<Prepared> {
    const { sessions, runs, env, logger } = this.#options;
    if (this.#isBusy) throw new RexecError("it is restarting already", { code: "restart_busy" });
    this.#isBusy = true;
    try {
      const program = programOf(env, request.binary);
      const version = await assertStarts(program);
      this.#problem = null;
      return {
        version,
        sessions: sessions.running().length,
        commands: runs.infos().filter(({ ended_at }) => ended_at === null).length,
        go: () => this.#go(program, request.reason),
      };
    } catch (error) {
      this.#problem = messageOf(error);
      logger.warn(`not restarted: ${this.#problem}`);
      throw error;
    } finally {
      this.#isBusy = false;
    }
  }

  // --- internal ---

  async #go(program: Program, reason: string): Promise<void> {
    const { sessions, runs, logger, pause } = this.#options;
    if (this.#isBusy) throw new RexecError("it is restarting already", { code: "restart_busy" });
    this.#isBusy = true;
    logger.info(`restarting in place (${reason}): ${program.path}`);
    try {
      await this.#comeToRest();
      await this.#replace(program, reason);
    } catch (error) {
      for (const one of [...sessions.terminals, ...runs.all]) one.thaw();
      pause.end();
      this.#problem = messageOf(error);
      logger.error(`not restarted, going on as before: ${this.#problem}`);
      throw error instanceof RexecError
        ? error
        : new RexecError(this.#problem, { code: "restart_failed", cause: error });
    } finally {
      this.#isBusy = false;
    }
  }

  /** Nothing is read of shells, and nothing is on its way to the server or from it. */
  async #comeToRest(): Promise<void> {
    const { sessions, runs, execs, sender, pause, logger } = this.#options;
    await atMost(COMMANDS_MS, execs.idle());
    for (const one of [...sessions.terminals, ...runs.all]) one.freeze();
    await atMost(DRAIN_MS, sender.drained());
    await atMost(CLOSE_MS, pause.begin("the agent restarts"));
    if (execs.count > 0) {
      logger.warn(
        `${counted(execs.count, "command")} of rexec.v1 ended by the restart; the results are lost`,
      );
      execs.killNow();
    }
  }

  /** Ends in a turn of the event loop in which everything stands still: what comes meanwhile waits in the kernel. */
  async #replace(program: Program, reason: string): Promise<void> {
    const { sessions, runs, signal } = this.#options;
    const deadline = performance.now() + SETTLE_MS;
    closeAllOnExec();
    for (;;) {
      await new Promise(setImmediate);
      if (signal.aborted) throw new RexecError("the agent is stopping", { code: "restart_failed" });
      const all = [...sessions.terminals, ...runs.all];
      for (const one of all) one.freeze(); // one may have been started since
      for (const one of all) await one.drain();
      const { about, content } = this.#state(reason);
      const parcel = pack(about, content);
      try {
        // As late as can be: node-pty waits for its children in threads, and what one of these has learnt by then is lost.
        if (all.every(({ isSettled }) => isSettled) || performance.now() > deadline)
          this.#execute(program, parcel, about);
      } finally {
        closeSync(parcel);
      }
      await Bun.sleep(1);
    }
  }

  #execute(program: Program, parcel: number, about: Envelope): void {
    const lock = this.#options.presence();
    lock?.keepOverExec(true);
    try {
      replaceProcess({
        ...program,
        env: { ...program.env, [HANDOVER]: String(parcel) },
        keep: [parcel, ...about.fds],
        shield: [constants.signals.SIGUSR2],
      });
    } finally {
      lock?.keepOverExec(false);
    }
  }

  #state(reason: string): { about: Envelope; content: Handover } {
    const { sessions, runs, inherited } = this.#options;
    const count = (inherited?.count ?? 0) + 1;
    const content = { count, reason, sessions: sessions.save(), runs: runs.save() };
    return { about: envelopeOf(content), content };
  }
}

// --- internal ---

function envelopeOf({ sessions, runs }: Handover): Envelope {
  const terminals = sessions.sessions.flatMap(({ pty }) => (pty ? [pty] : []));
  const pipes = runs.flatMap(({ stdin, stdout, stderr }) => [stdin.fd, stdout.fd, stderr.fd]);
  return {
    version: HANDOVER_VERSION,
    pid: process.pid,
    leaders: [...terminals, ...runs]
      .filter(({ exit }) => exit === null)
      .map(({ pid, start }) => ({ pid, start })),
    fds: [...terminals.map(({ fd }) => fd), ...pipes].filter((fd) => fd !== null),
  };
}

async function atMost(ms: number, what: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([what, late]);
  clearTimeout(timer);
}
