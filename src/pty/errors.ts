/** Errors before a program runs on a PTY. */
import { errnoOf } from "../lib/errors.ts";

/** Why no PTY was opened; each code has its own remedy. */
export type PtyOpenCode =
  | "SHELL_NOT_FOUND"
  | "SHELL_NOT_EXECUTABLE"
  | "SHELL_IS_DIRECTORY"
  | "CWD_NOT_FOUND"
  | "CWD_NOT_DIRECTORY"
  | "CWD_NOT_ACCESSIBLE"
  | "BAD_ARGUMENT"
  | "PTY_UNAVAILABLE"
  | "BACKEND_UNAVAILABLE";

/** No PTY was opened; the message names the path and the remedy. */
export class PtyOpenError extends Error {
  override readonly name = "PtyOpenError";
  readonly code: PtyOpenCode;

  constructor(code: PtyOpenCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The error for a program that passed the checks and still could not be started. */
export function forkFailed(cause: unknown, file: string): PtyOpenError {
  const code = errnoOf(cause) ?? "";
  if (["ENOENT", "EACCES", "ENOEXEC"].includes(code)) {
    const message = `the shell ${file} exists but cannot be run (${code}): is the interpreter that it names there? Set another path, such as /bin/sh`;
    return new PtyOpenError("SHELL_NOT_EXECUTABLE", message, { cause });
  }
  return new PtyOpenError(
    "PTY_UNAVAILABLE",
    "no new terminal could be opened: a limit on terminals (/proc/sys/kernel/pty/max), on processes or open files " +
      "(ulimit -u, ulimit -n) or on memory is reached; end some sessions and try again",
    { cause }, // node-pty keeps the errno to itself
  );
}
