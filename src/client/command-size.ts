/** What a command may be on the wire and as arguments of a Linux program; told before anything is sent. */
import { ExitCode, RexecError } from "../lib/errors.ts";
import { COUNTS, LENGTHS } from "../protocol/values.ts";

/** A command that is about to be sent. */
export interface Sized {
  /** For the remote shell, quoted already. */
  command: string;
  cwd?: string | undefined;
  env?: Readonly<Record<string, string>> | undefined;
}

/** The shell gets the command as one argument, of which Linux takes this many bytes with the zero at its end. */
const MAX_ARGUMENT_BYTES = 128 * 1024 - 1;

/** @throws RexecError `command_too_large` (exit code 2) */
export function checkSize({ command, cwd, env = {} }: Sized): void {
  const bytes = Buffer.byteLength(command);
  if (bytes > MAX_ARGUMENT_BYTES) {
    throw tooLarge(
      `the command has ${bytes} bytes, and a Linux program takes ${MAX_ARGUMENT_BYTES} as one argument`,
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
