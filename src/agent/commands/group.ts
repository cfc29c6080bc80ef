/**
 * A command's processes: `SHELL -c command` in a session and process group of its own, without a terminal, and how all of
 * them are signalled and ended.
 */
import { errnoOf, messageOf } from "../../lib/errors.ts";
import { asText } from "../../lib/posix-script.ts";
import { checkOptions } from "../../pty/check.ts";
import { withOpenFilesAsBefore } from "../../pty/open-files.ts";
import { commandArguments } from "../machine/shell.ts";
import type { ChildPipes } from "./child-pipes.ts";

/** A command line, and what it starts with. */
export interface CommandOptions {
  shell: string;
  command: string;
  env: Readonly<Record<string, string>>;
  cwd: string;
}

/** Between SIGTERM and SIGKILL, ms. */
const TERM_GRACE_MS = 2_000;
/** The longest delay that a timer takes (about 24 days). */
const MAX_TIMER_MS = 2 ** 31 - 1;

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
  { shell, command, cwd, env }: CommandOptions,
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

/** A group that is gone is what was wanted. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH
  }
}

// --- internal ---

function groupLives(pid: number): boolean {
  try {
    return process.kill(-pid, 0);
  } catch {
    return false;
  }
}
