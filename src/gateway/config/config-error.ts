/** The error of a wrong configuration, other than that of an option. */
import { ExitCode, RexecError } from "../../lib/errors.ts";

/** `bad_config`, with exit code 2: a service manager does not start the gateway again. */
export function configError(message: string, hint?: string, cause?: unknown): RexecError {
  return new RexecError(message, { code: "bad_config", hint, exitCode: ExitCode.usage, cause });
}
