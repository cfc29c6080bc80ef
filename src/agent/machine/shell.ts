/** Which shell, with which arguments, in which folder. */
import { accessSync, constants, statSync } from "node:fs";
import { basename } from "node:path";
import { type Account, usableShell } from "../../lib/account.ts";
import { ExitCode, RexecError } from "../../lib/errors.ts";

/** Shells without a `-l` that can be told together with `-i`. */
const PLAIN = new Set(["sh", "dash", "ash"]);
/** Many programs in one file, by their own name none of them: the first argument says which. */
const MANY = new Set(["busybox", "toybox"]);
/** csh knows `-l` only as its single argument. */
const CSH = new Set(["csh", "tcsh"]);

/** Arguments for a login, interactive shell. */
export function loginArguments(shell: string): string[] {
  const name = basename(shell);
  if (MANY.has(name)) return ["sh", "-i"];
  if (PLAIN.has(name)) return ["-i"];
  return CSH.has(name) ? ["-l"] : ["-l", "-i"];
}

/** Arguments for a shell that runs one line. */
export function commandArguments(shell: string, command: string): string[] {
  return [...(MANY.has(basename(shell)) ? ["sh"] : []), "-c", command];
}

/**
 * The shell to use: the configured one whatever it is; else $SHELL, the account's, /bin/bash, /bin/sh: the first that
 * runs. `sudo -u www-data` sets SHELL to what turns people away.
 */
export function chooseShell(
  configured: string | undefined,
  envShell: string | undefined,
  account: Account,
): string {
  if (configured) return configured;
  const candidates = [usableShell(envShell), account.shell, "/bin/bash"];
  return candidates.find((shell) => typeof shell === "string" && shellProblem(shell) === null) ?? "/bin/sh";
}

/**
 * A shell given by a person, as an absolute path: `zsh` is looked for in PATH.
 * @throws RexecError `bad_shell`
 */
export function resolveShell(given: string, path: string | undefined): string {
  const absolute = given.includes("/") ? given : (Bun.which(given, { PATH: path ?? "" }) ?? given);
  const problem = shellProblem(absolute);
  if (!problem) return absolute;
  throw new RexecError(`the shell ${given} ${problem}`, {
    code: "bad_shell",
    hint: "give the absolute path of a shell, such as /bin/bash or /bin/sh (list them: cat /etc/shells)",
    exitCode: ExitCode.usage,
  });
}

/** What speaks against a program as a shell, or null. */
export function shellProblem(shell: string): string | null {
  if (!shell.startsWith("/")) return "is no absolute path and not in PATH";
  try {
    if (!statSync(shell).isFile()) return "is no file";
  } catch {
    return "does not exist";
  }
  try {
    accessSync(shell, constants.X_OK);
    return null;
  } catch {
    return "is not executable";
  }
}

/** The first of the folders that can be entered, else `/`. */
export function chooseFolder(candidates: readonly (string | undefined)[]): string {
  return candidates.find((folder) => folder !== undefined && canEnter(folder)) ?? "/";
}

// --- internal ---

function canEnter(folder: string): boolean {
  try {
    if (!folder.startsWith("/") || !statSync(folder).isDirectory()) return false;
    accessSync(folder, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
