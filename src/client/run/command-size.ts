/** What a command may be on the wire and as arguments of a Linux program; told before anything is sent. */
import { ExitCode, RexecError } from "../../lib/errors.ts";
import { LONGEST_COMMAND } from "../../protocol/limits.ts";
import { COUNTS, LENGTHS } from "../../protocol/values.ts";

/** A command that is about to be sent, with what counts for its size. */
export interface Sized {
  /** For the remote shell, quoted already. */
  command: string;
  cwd?: string | undefined;
  env?: Readonly<Record<string, string>> | undefined;
}

/** @throws RexecError `command_too_large` (exit code 2) */
export function checkSize({ command, cwd, env = {} }: Sized): void {
  const bytes = Buffer.byteLength(command);
  if (bytes > LONGEST_COMMAND) {
    throw tooLarge(
      `the command has ${bytes} bytes, and a Linux program takes ${LONGEST_COMMAND} as one argument`,
      "send it as a script on stdin: rexec exec NAME -- sh < FILE",
    );
  }
  if (cwd !== undefined && cwd.length > LENGTHS.path)
    throw tooLarge(
      `--cwd has ${cwd.length} characters, and a path has at most ${LENGTHS.path}`,
      "give a shorter one",
    );
  const variables = Object.entries(env);
  if (variables.length > COUNTS.variables)
    throw tooLarge(
      `--env names ${variables.length} variables, where ${COUNTS.variables} can be sent`,
      "send fewer",
    );
  const long = variables.find(([name, value]) => name.length + value.length > LENGTHS.variable - 2);
  if (long)
    throw tooLarge(
      `--env ${long[0]} has ${long[1].length} characters, more than a Linux program takes`,
      "send it on stdin",
    );
}

// --- internal ---

function tooLarge(message: string, hint: string): RexecError {
  return new RexecError(message, { code: "command_too_large", hint, exitCode: ExitCode.usage });
}
