/** The process of a command: started here, or by an earlier program image of this process. */
import { adoptChild } from "../../pty/adopt-child.ts";
import { trackChild, untrackChild } from "../../pty/children.ts";
import { exitOfChild } from "../../pty/exit-status.ts";
import { isAlive, type ProcessEntry, readProcess } from "../../pty/procfs.ts";
import type { PtyExit } from "../../pty/pty.ts";
import type { SavedRun } from "../restart/schema.ts";
import { adoptOutput, adoptStdin, childPipes, type Output, type Stdin } from "./child-pipes.ts";
import { type CommandOptions, spawnGroup } from "./group.ts";

/** The process of a command. Owned by its `Run`. */
export interface RunChild {
  /** Of the leader of its group. */
  readonly pid: number;
  /** As /proc showed it at its start; null where it was gone by then. */
  readonly entry: ProcessEntry | null;
  /** Settles when it has been waited for. Never rejects. */
  readonly exited: Promise<PtyExit>;
  /** Null where they are closed already. */
  readonly stdin: Stdin | null;
  readonly stdout: Output | null;
  readonly stderr: Output | null;
}

/** @param hasStdin otherwise it reads /dev/null @throws the system's error where it can't be started */
export function startChild(options: CommandOptions, hasStdin: boolean): RunChild {
  const { stdin, stdout, stderr, ...ends } = childPipes(hasStdin);
  const child = spawnGroup(options, ends);
  const { pid } = child;
  trackChild(pid);
  const exited = child.exited.then(() => {
    untrackChild(pid);
    return exitOfChild(child);
  });
  return { pid, entry: readProcess(pid), exited, stdin, stdout, stderr };
}

/** The process that was handed over. */
export function takeChild({ pid, start, exit, stdin, stdout, stderr }: SavedRun): RunChild {
  const entry = exit === null ? readProcess(pid) : null;
  return {
    pid,
    entry: entry?.start === start ? entry : null,
    exited: exit === null ? adoptChild(pid) : Promise.resolve(exit),
    stdin: stdin.fd === null ? null : adoptStdin(stdin.fd),
    stdout: stdout.fd === null ? null : adoptOutput(stdout.fd),
    stderr: stderr.fd === null ? null : adoptOutput(stderr.fd),
  };
}

/** False in the moment between its end and our knowing how. */
export function isSettled({ entry }: RunChild, exit: PtyExit | null): boolean {
  return exit !== null || entry === null || isAlive(entry);
}
