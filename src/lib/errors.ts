/** The error type that users see, and the exit codes of both programs. */

/** Exit codes, as `--help` documents them. */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** Not registered (agent) or not logged in (CLI). */
  notSetUp: 3,
  /** The server said no: 401, 403 or 404. */
  rejected: 4,
} as const;
/** Of `exec`, `connect` and `attach`, whose other codes are the remote program's: rexec itself failed (as ssh has it). */
export const OWN_FAILURE = 255;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

interface ErrorDetail {
  /** Machine-readable, `config_missing` for example. */
  code: string;
  /** What to do next: one line, may hold a command to run. */
  hint?: string | undefined;
  exitCode?: number | undefined;
  cause?: unknown;
}

/**
 * An error for the user: the message says what failed and why, `hint` says what to do. The entry point prints both and exits
 * with `exitCode`.
 */
export class RexecError extends Error {
  override readonly name: string = "RexecError";
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(message: string, detail: ErrorDetail) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = detail.code;
    this.hint = detail.hint;
    this.exitCode = detail.exitCode ?? ExitCode.failed;
  }
}

/** The call itself was wrong: an unknown option, a missing argument. Exit code 2. */
export class UsageError extends RexecError {
  override readonly name = "UsageError";
  constructor(message: string, hint?: string) {
    super(message, { code: "usage", hint, exitCode: ExitCode.usage });
  }
}

/** Any thrown value in one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0] ?? text;
}

/** The `code` of a system error (`ENOENT`, `ECONNREFUSED`), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
