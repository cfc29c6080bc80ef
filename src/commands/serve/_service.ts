/** What the commands around the gateway's service have in common. */
import { detectInit } from "../../agent/service/detect.ts";
import { runner } from "../../agent/service/run.ts";
import type { ServiceTools } from "../../gateway/service/install.ts";
import { placeOf } from "../../gateway/service/place.ts";
import { RexecError } from "../../lib/errors.ts";
import { homeFolder } from "../../lib/home.ts";
import { quoteWords } from "../../lib/quote.ts";
import { say } from "../_cli.ts";
import { withRuntimeFolder } from "../agent/_service.ts";

export const scopeArgs = {
  user: { type: "boolean", description: "A service of your own account's systemd, without root" },
} as const;

/**
 * @param isNeeded false where nothing is run, so that none has to be there
 * @throws RexecError `no_service_manager` where no systemd runs
 */
export function serviceTools(isUser: boolean, isNeeded = true): ServiceTools {
  if (isNeeded && detectInit() !== "systemd") {
    throw new RexecError("no systemd runs here (a container?)", {
      code: "no_service_manager",
      hint: "have what starts the container run rexec serve; it needs no service manager",
    });
  }
  const { env } = process;
  const scope = isUser ? "user" : "system";
  const run = runner(isUser ? withRuntimeFolder(env) : env);
  return { scope, place: placeOf(scope, env, homeFolder(env)), run, tell: say };
}

/** @throws RexecError `needs_root`, `is_root` */
export function assertScope(isUser: boolean, command: string): void {
  const isRoot = process.getuid?.() === 0;
  if (!isUser && !isRoot) {
    throw new RexecError("a service of the whole machine needs root", {
      code: "needs_root",
      hint: `run: ${quoteWords(["sudo", process.execPath, "serve", command])}; or add --user for a service of your own`,
    });
  }
  if (isUser && isRoot) {
    throw new RexecError("--user is for accounts without root", {
      code: "is_root",
      hint: "leave it out, or run this as that account",
    });
  }
}
