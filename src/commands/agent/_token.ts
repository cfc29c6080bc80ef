/** A token from the user at the terminal. */
import { DEFAULT_HOST } from "../../agent/config/config.ts";
import { RexecError } from "../../lib/errors.ts";
import { tokenPlace } from "../../lib/hints.ts";
import { say } from "../_cli.ts";
import { askSecret } from "../_stdin.ts";

/** Asks a person at the terminal. @throws RexecError `token_missing` where there is none */
export async function askToken(host: string): Promise<string> {
  if (process.stdin.isTTY) {
    say(
      host.replace(/\/+$/, "") === DEFAULT_HOST
        ? `Make an API token in the dashboard: ${DEFAULT_HOST}/settings`
        : `Make an API token (${tokenPlace(host)})`,
    );
    return askSecret(`API token for ${host}`);
  }
  throw new RexecError("no token, and nobody to ask for one: stdin is no terminal", {
    code: "token_missing",
    hint: "set REXEC_TOKEN, or give --token TOKEN",
    exitCode: 3,
  });
}
