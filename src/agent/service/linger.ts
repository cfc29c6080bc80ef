/** systemd ends an account's services with its last session, and starts them with the first, unless it lingers. */
import { quoteWord } from "../../lib/quote.ts";
import type { Run } from "./run.ts";

/**
 * Lets the account's services run without it being logged in.
 * @param what the service
 * @returns what to tell: what was done, or the command that does it; null where it was so already
 */
export async function ensureLinger(run: Run, account: string, what = "the agent"): Promise<string | null> {
  if (await lingers(run, account)) return null;
  const { ok, error } = await run(["loginctl", "enable-linger", account]);
  if (ok)
    return `turned lingering on for ${account}: ${what} runs from boot on, also while you are logged out`;
  return (
    `${what} ends when you log out, for lingering is off and could not be turned on (${error}); ` +
    `run: sudo loginctl enable-linger ${quoteWord(account)}`
  );
}

/** Whether they run without it being logged in. */
export async function lingers(run: Run, account: string): Promise<boolean> {
  const { out } = await run(["loginctl", "show-user", account, "--property=Linger", "--value"]);
  return out === "yes";
}
