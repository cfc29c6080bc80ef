/** The commands of rexec.v2 that run on this machine, and those that ended and may still be asked for. */
import type { Logger } from "../../lib/log.ts";
import type { Sender } from "../../link/sender.ts";
import type { OpenerMessage, SessionInfo } from "../../protocol/v2/control.ts";
import type { SavedRun } from "../restart/schema.ts";
import { Refusal } from "../sessions/refusal.ts";
import { endGroup, whyNotStarted } from "./group.ts";
import { Run, type RunOptions } from "./run.ts";
import { RunChannel } from "./run-channel.ts";

/** Commands at a time, ended ones that may be asked for again included. */
const MAX_RUNS = 64;

/** What commands are started with. Times in ms. */
export interface RunManagerOptions {
  logger: Logger;
  shell: string;
  /** Where a command runs that names no folder. */
  folder(): string;
  env: Readonly<Record<string, string>>;
  /** How long a command is held for an opener whose connection was lost, ms. */
  viewerGraceMs: number;
}

/** All commands of the agent, running or held for their opener. Owned by the agent. */
export class RunManager {
  readonly #options: RunManagerOptions;
  readonly #runs = new Map<string, Run>();
  /** @transient viewers attach again */
  readonly #channels = new Map<string, RunChannel>();
  /** @transient an agent that stops does not restart */
  #closed = false;

  constructor(options: RunManagerOptions) {
    this.#options = options;
  }

  /** Those that run: one that has ended is of use only to its opener. */
  infos(): SessionInfo[] {
    return [...this.#runs.values()].filter(({ end }) => end === null).map(({ info }) => info);
  }

  /**
   * The command, started or as it is.
   * @param onEnded the opener was told of its end
   * @throws Refusal
   */
  attach(request: Extract<OpenerMessage, { type: "run" }>, sender: Sender, onEnded: () => void): RunChannel {
    const { run: id, channel, cursors, zstd } = request;
    const known = this.#runs.get(id);
    if (!known && request.resume)
      throw new Refusal(
        "gone",
        "the command is not known here: nobody came for it, or the agent was started anew",
      );
    const run = known ?? this.#start(request);
    this.#channels.get(id)?.close(false); // one reader a command: the latest
    const made = new RunChannel({ channel, run, cursors, zstd, created: !known, sender, onEnded });
    this.#channels.set(id, made);
    return made;
  }

  /** @returns false where there is none of that id */
  kill(id: string): boolean {
    const run = this.#runs.get(id);
    if (!run || run.end) return false;
    run.hangUp();
    return true;
  }

  /** Those that are known here, ended ones included. */
  get all(): Run[] {
    return [...this.#runs.values()];
  }

  /** For another program image of this process, after `freeze` and `drain` of each. */
  save(): SavedRun[] {
    return this.all.map((run) => run.save());
  }

  /** What an earlier program image of this process had; their openers have the hold time to come back. */
  restore(saved: readonly SavedRun[]): void {
    for (const one of saved) {
      const run = this.#make({ saved: one });
      if (!one.abandoned) run.left(false);
    }
  }

  /** Ends all and takes no new ones. */
  async close(): Promise<void> {
    this.#closed = true;
    const running = [...this.#runs.values()].filter(({ end }) => end === null);
    await Promise.all(running.map(({ pid }) => endGroup(pid)));
  }

  /** Ends them with SIGKILL, before it returns. */
  killNow(): void {
    for (const run of this.#runs.values()) if (!run.end) run.killNow();
  }

  // --- internal ---

  #start(request: Extract<OpenerMessage, { type: "run" }>): Run {
    const { shell, env, folder } = this.#options;
    if (this.#closed) throw new Refusal("failed", "the agent is stopping");
    this.#makeRoom();
    const cwd = request.cwd ?? folder();
    try {
      return this.#make({ request, shell, cwd, env });
    } catch (error) {
      throw new Refusal("failed", whyNotStarted(error, shell, cwd));
    }
  }

  #make(from: RunOptions["from"]): Run {
    const run = new Run({
      from,
      viewerGraceMs: this.#options.viewerGraceMs,
      onGone: (gone) => this.#forget(gone),
    });
    this.#runs.set(run.id, run);
    return run;
  }

  /** An ended one gives its place to a new one. */
  #makeRoom(): void {
    if (this.#runs.size < MAX_RUNS) return;
    const ended = [...this.#runs.values()].find(({ end }) => end !== null);
    if (!ended)
      throw new Refusal("too_many_sessions", `${MAX_RUNS} commands run here already: try again later`);
    this.#forget(ended);
  }

  #forget(run: Run): void {
    if (this.#runs.get(run.id) !== run) return;
    this.#runs.delete(run.id);
    this.#channels.delete(run.id);
    run.attached();
  }
}
