/** What `install` and `uninstall` have in common: options, and what they make of this machine. */
import { existsSync } from "node:fs";
import { chooseManager } from "../../agent/service/managers.ts";
import type { Recipe } from "../../agent/service/recipe.ts";
import { asRoot, resolveService, type ServiceRequest } from "../../agent/service/resolve.ts";
import { type Run, runner } from "../../agent/service/run.ts";
import type { ServiceSpec } from "../../agent/service/spec.ts";
import { RexecError } from "../../lib/errors.ts";
import { homeFolder } from "../../lib/home.ts";
import { globalArgs, programName } from "../_cli.ts";

export const serviceArgs = {
  ...globalArgs,
  user: {
    type: "boolean",
    description: "A service of your own account's systemd, without root",
  },
  init: {
    type: "string",
    valueHint: "NAME",
    description: "Service manager: systemd, openrc, sysv or launchd (default: the one that runs here)",
  },
} as const;

/** The options that say which service is meant. */
export interface ServiceArgs {
  config?: string | undefined;
  user?: boolean | undefined;
  init?: string | undefined;
}

/** A service, and the service manager that it belongs to. */
export interface ServiceContext {
  request: ServiceRequest;
  recipe: Recipe;
  /** Whether that service manager runs here. */
  isHere: boolean;
  run: Run;
}

/** @throws RexecError `no_service_manager`, `from_source`; UsageError */
export async function serviceContext(args: ServiceArgs): Promise<ServiceContext> {
  const scope = args.user ? "user" : "system";
  const env = scope === "user" ? withRuntimeFolder(process.env) : process.env;
  const run = runner(env);
  const request: ServiceRequest = {
    ...ownExecutable(),
    config: args.config,
    scope,
    env,
    uid: process.getuid?.() ?? 0,
  };
  const home = homeFolder(env);
  const { recipe, isHere } = await chooseManager({
    init: args.init,
    scope,
    env,
    home,
    uid: request.uid,
    run,
  });
  return { request, recipe, isHere, run };
}

/** The service that is asked for. @throws RexecError of `resolveService` */
export function specOf({ request }: ServiceContext): ServiceSpec {
  return resolveService(request);
}

/** @throws RexecError `needs_root` with the command that would do it, or `no_service_manager` */
export function assertAllowed(
  { request, recipe, isHere }: ServiceContext,
  name: string,
  args: ServiceArgs,
): void {
  if (!isHere) {
    throw new RexecError(`${recipe.init} does not run on this machine`, {
      code: "no_service_manager",
      hint: name === "install" ? "--dry-run prints what it would be given" : undefined,
    });
  }
  if (request.scope === "system" && request.uid !== 0) {
    throw new RexecError(`a service of the whole machine needs root`, {
      code: "needs_root",
      hint: `run: ${asRoot(request, name, args.init)}`,
    });
  }
  if (request.scope === "user" && request.uid === 0) {
    throw new RexecError("--user is for accounts without root", {
      code: "is_root",
      hint: `leave it out, or run this as that account`,
    });
  }
}

/** Behind `su` and `sudo -u` the variable is missing by which systemctl finds an account's service manager. */
export function withRuntimeFolder(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const folder = `/run/user/${process.getuid?.()}`;
  return env.XDG_RUNTIME_DIR || !existsSync(folder) ? env : { ...env, XDG_RUNTIME_DIR: folder };
}

// --- internal ---

/** The words in front of a command in this program: `rexec agent …` or `rexec-agent …`. */
function ownExecutable(): { executable: string; words: readonly string[] } {
  if (!Bun.isStandaloneExecutable) {
    throw new RexecError("only a built executable can be a service, not the sources", {
      code: "from_source",
      hint: "build it (bun run build:native) and run dist/rexec-agent-linux-…",
    });
  }
  return { executable: process.execPath, words: programName() === "rexec" ? ["agent"] : [] };
}
