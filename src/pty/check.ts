/** The checks before the fork: after it a mistake would only show as a line in the terminal and an exit code. */
import { accessSync, constants, type Stats, statSync } from "node:fs";
import { PtyOpenError } from "./errors.ts";
import type { PtyOptions } from "./pty.ts";

/** The options that are checked. */
type Program = Pick<PtyOptions, "file" | "args" | "env" | "cwd">;

/** Checks program, folder, arguments and environment. @throws PtyOpenError naming the path and the remedy. */
export function checkOptions({ file, args, env, cwd }: Program): void {
  checkProgram(file);
  checkFolder(cwd);
  for (const text of [file, cwd, ...args, ...Object.keys(env), ...Object.values(env)]) {
    if (!text.includes("\0")) continue;
    throw new PtyOpenError("BAD_ARGUMENT", `${JSON.stringify(text)} holds a zero byte; remove it`);
  }
}

function checkProgram(file: string): void {
  const stats = file.startsWith("/") ? lookUp(file) : null;
  if (stats === null) {
    throw new PtyOpenError(
      "SHELL_NOT_FOUND",
      `the shell ${file} does not exist here; set another absolute path, such as /bin/sh`,
    );
  }
  if (stats.isDirectory()) {
    throw new PtyOpenError(
      "SHELL_IS_DIRECTORY",
      `the shell ${file} is a folder; set the path of a program in it`,
    );
  }
  if (!stats.isFile() || !isExecutable(file)) {
    throw new PtyOpenError(
      "SHELL_NOT_EXECUTABLE",
      `the shell ${file} may not be executed by this user; chmod +x it, or set another path, such as /bin/sh`,
    );
  }
}

function checkFolder(cwd: string): void {
  const stats = cwd.startsWith("/") ? lookUp(cwd) : null;
  if (stats === null) {
    throw new PtyOpenError(
      "CWD_NOT_FOUND",
      `the working folder ${cwd} does not exist; create it, or set another absolute path`,
    );
  }
  if (!stats.isDirectory()) {
    throw new PtyOpenError(
      "CWD_NOT_DIRECTORY",
      `the working folder ${cwd} is not a folder; set the path of one`,
    );
  }
  if (!isExecutable(cwd)) {
    throw new PtyOpenError(
      "CWD_NOT_ACCESSIBLE",
      `the working folder ${cwd} may not be entered by this user; set another, such as /`,
    );
  }
}

/** The file at the path; null where it is missing or out of reach. */
function lookUp(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null; // ENOTDIR, EACCES, ELOOP, ENAMETOOLONG: for this user it is not there
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
