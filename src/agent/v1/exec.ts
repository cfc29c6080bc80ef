/** One command through the shell: `SHELL -c command` in a session and process group of its own, without a terminal. */
import { errnoOf, messageOf } from "../../lib/errors.ts";
import { asText } from "../../lib/posix-script.ts";
import { checkOptions } from "../../pty/check.ts";
import { trackChild, untrackChild } from "../../pty/children.ts";
import { exitOfChild } from "../../pty/exit-status.ts";
import type { FdReader } from "../../pty/fd-reader.ts";
import { withOpenFilesAsBefore } from "../../pty/open-files.ts";
import { LoopTurn } from "../../pty/turn.ts";
import { type ChildPipes, childPipes, type Output } from "../commands/child-pipes.ts";
import { commandArguments } from "../machine/shell.ts";
import type { Capture, StreamName } from "./capture.ts";

export interface ExecOptions {
  shell: string;
  command: string;
  env: Readonly<Record<string, string>>;
  cwd: string;
  stdin: Uint8Array | undefined;
  /** Milliseconds until the whole group is ended; undefined for none. */
  timeoutMs: number | undefined;
  /** How long a process that it leaves may hold its output open. */
  lingerMs: number;
  capture: Capture;
  /** Ends the whole group too. */
  signal: AbortSignal;
  /** Holds the group's leader while it runs. */
  groups: Set<number>;
}

/** How a command ended. */
export interface ExecOutcome {
  /** 0 to 255, or null where a signal ended it. */
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
  /** A process that it left held its output open to the last. */
  leftOpen: boolean;
  durationMs: number;
}

/** Between SIGTERM and SIGKILL, ms. */
const TERM_GRACE_MS = 2_000;
/** The longest delay that a timer takes (about 24 days). */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Runs it. @throws the system's error where it can't be started */
export async function runCommand(options: ExecOptions): Promise<ExecOutcome> {
  const started = performance.now();
  const input = options.stdin && options.stdin.length > 0 ? options.stdin : null;
  const { stdin, stdout, stderr, ...ends } = childPipes(input !== null);
  const child = spawnGroup(options, ends);
  // A command that does not read all of its stdin is none the worse for it.
  if (input) void stdin?.write(input).then(stdin.end, stdin.end);
  trackChild(child.pid);
  options.groups.add(child.pid);
  const pipes = [new Pipe(stdout, "stdout", options.capture), new Pipe(stderr, "stderr", options.capture)];
  let timedOut = false;
  const end = () => void endGroup(child.pid);
  const timer = timeoutOf(options.timeoutMs, () => {
    timedOut = true;
    end();
  });
  options.signal.addEventListener("abort", end, { once: true });
  if (options.signal.aborted) end();
  try {
    await child.exited;
  } finally {
    untrackChild(child.pid);
    options.groups.delete(child.pid);
    if (timer) clearTimeout(timer);
    stdin?.end();
    options.signal.removeEventListener("abort", end);
  }
  const leftOpen = await areLeftOpen(pipes, options.lingerMs);
  for (const pipe of pipes) pipe.cancel();
  const durationMs = Math.round(performance.now() - started);
  return {
    ...exitOfChild(child),
    timedOut,
    leftOpen,
    durationMs,
  };
}

/** A timer for a command's time, if it has one, ms. */
export function timeoutOf(ms: number | undefined, late: () => void): Timer | null {
  return ms === undefined ? null : setTimeout(late, Math.min(ms, MAX_TIMER_MS));
}

/** A signal to the group, SIGKILL to what is left of it after the grace. */
export async function endGroup(pid: number, first: "SIGTERM" | "SIGHUP" = "SIGTERM"): Promise<void> {
  signalGroup(pid, first);
  const deadline = performance.now() + TERM_GRACE_MS;
  while (performance.now() < deadline && groupLives(pid)) await Bun.sleep(20);
  signalGroup(pid, "SIGKILL");
}

/**
 * `SHELL -c command` in a session and group of its own, so that all of it can be ended.
 * @throws the system's error where it can't be started; the pipes are closed then
 */
export function spawnGroup(
  { shell, command, cwd, env }: Pick<ExecOptions, "shell" | "command" | "cwd" | "env">,
  pipes: Pick<ChildPipes, "stdio" | "handedOver" | "abandon">,
): Bun.Subprocess {
  try {
    const { file, args, ...its } = asText({ file: shell, args: commandArguments(shell, command), env });
    return withOpenFilesAsBefore(() =>
      Bun.spawn([file, ...args], { ...its, cwd, stdio: pipes.stdio, detached: true }),
    );
  } catch (error) {
    pipes.abandon();
    throw error;
  } finally {
    pipes.handedOver();
  }
}

/** Why the shell did not start: the system names the shell too where it is the folder that is missing. */
export function whyNotStarted(error: unknown, shell: string, cwd: string): string {
  try {
    checkOptions({ file: shell, args: [], env: {}, cwd });
  } catch (problem) {
    return messageOf(problem);
  }
  if (errnoOf(error) === "E2BIG")
    return "the command, or it and its environment, are longer than what this machine takes (E2BIG)";
  return `cannot run ${shell} in ${cwd}: ${messageOf(error)}`;
}

// --- internal ---

function groupLives(pid: number): boolean {
  try {
    return process.kill(-pid, 0);
  } catch {
    return false;
  }
}

/** A group that is gone is what was wanted. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH
  }
}

/** Waits for their ends, and says whether these did not come in time. */
async function areLeftOpen(pipes: readonly Pipe[], lingerMs: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(true), lingerMs);
  const ends = Promise.all(pipes.map((pipe) => pipe.done)).then(() => false);
  try {
    return await Promise.race([ends, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Reads one stream to its end, so that the command never waits for us. */
class Pipe {
  readonly done: Promise<void>;
  readonly #reader: FdReader;
  readonly #turn = new LoopTurn();

  constructor(output: Output, name: StreamName, capture: Capture) {
    this.#reader = output.open();
    this.done = this.#read(name, capture).finally(output.release);
  }

  cancel(): void {
    this.#reader.cancel();
  }

  async #read(name: StreamName, capture: Capture): Promise<void> {
    try {
      for (;;) {
        const value = await this.#reader.read();
        if (value === null) return;
        capture.push(name, value);
        await this.#turn.after(value.length);
      }
    } catch {
      // The pipe broke with its process: what there is was read.
    }
  }
}
