/** A token from the user at the terminal. */
import { DEFAULT_HOST } from "../../agent/config/config.ts";
import { RexecError } from "../../lib/errors.ts";
import { joinPlace, tokenPlace } from "../../lib/hints.ts";
import { say } from "../_cli.ts";
import { askSecret } from "../_stdin.ts";

/**
 * Asks a person at the terminal.
 * @param isJoin a join token does as well
 * @throws RexecError `token_missing` where there is none
 */
export async function askToken(host: string, isJoin = false): Promise<string> {
  if (process.stdin.isTTY) {
    const isPublic = host.replace(/\/+$/, "") === DEFAULT_HOST;
    const elsewhere = isJoin ? `Make ${joinPlace(host)}` : `Make an API token (${tokenPlace(host)})`;
    say(isPublic ? `Make an API token in the dashboard: ${DEFAULT_HOST}/settings` : elsewhere);
    return askSecret(`${isJoin && !isPublic ? "Token" : "API token"} for ${host}`);
  }
  throw new RexecError("no token, and nobody to ask for one: stdin is no terminal", {
    code: "token_missing",
    hint: "set REXEC_TOKEN, or give --token TOKEN",
    exitCode: 3,
  });
}
