/** Chooses the service manager, and says how its service is. */
import { RexecError, UsageError } from "../../lib/errors.ts";
import { detectInit } from "./detect.ts";
import type { Recipe } from "./recipe.ts";
import { launchdRecipe, openrcRecipe, sysvRecipe } from "./recipes.ts";
import type { Run } from "./run.ts";
import { INIT_SYSTEMS, type InitSystem, type ServiceSpec } from "./spec.ts";
import { systemdRecipe } from "./systemd.ts";

/** What decides which service manager is meant. */
export interface ManagerRequest {
  /** What `--init` said. */
  init: string | undefined;
  scope: ServiceSpec["scope"];
  env: Readonly<Record<string, string | undefined>>;
  home: string;
  uid: number;
  run: Run;
}

/** The recipe, and whether its service manager runs here (otherwise it can only be printed). */
export interface Chosen {
  recipe: Recipe;
  isHere: boolean;
}

/** @throws RexecError `no_service_manager`; UsageError for an unknown name */
export async function chooseManager(request: ManagerRequest): Promise<Chosen> {
  const here = detectInit();
  const init = request.init === undefined ? here : initNamed(request.init);
  if (init === null) {
    throw new RexecError("no service manager runs here (a container?)", {
      code: "no_service_manager",
      hint: "start it without one: rexec-agent start --daemon; or name one with --init, such as --init sysv",
    });
  }
  if (init === "systemd" && init === here && request.scope === "user") await assertUsersManager(request.run);
  return { recipe: await recipeOf(init, request), isHere: init === here };
}

// --- internal ---

/** An account has one while it is logged in, or lingers; `su` and `sudo -u` do not log in. */
async function assertUsersManager(run: Run): Promise<void> {
  const { ok, error } = await run(["systemctl", "--user", "show-environment"]);
  if (ok) return;
  throw new RexecError(`no systemd of this account runs: ${error}`, {
    code: "no_service_manager",
    hint: "log in as it (su and sudo do not), or have root let it run without: loginctl enable-linger ACCOUNT",
  });
}

function initNamed(name: string): InitSystem {
  const init = INIT_SYSTEMS.find((known) => known === name);
  if (!init) throw new UsageError(`--init takes ${INIT_SYSTEMS.join(", ")}, not ${name}`);
  return init;
}

async function recipeOf(init: InitSystem, { scope, env, home, uid, run }: ManagerRequest): Promise<Recipe> {
  switch (init) {
    case "systemd":
      return systemdRecipe(scope, { version: await systemdVersion(run), env, home });
    case "launchd":
      return launchdRecipe(scope, home, uid);
    case "openrc":
      assertSystem(init, scope);
      return openrcRecipe;
    case "sysv":
      assertSystem(init, scope);
      return sysvRecipe(Bun.which("update-rc.d", { PATH: SBIN }) ? "update-rc.d" : "chkconfig");
  }
}

/** Also where the PATH has no sbin: without root only what would be written is asked for. */
const SBIN = "/usr/sbin:/sbin";

function assertSystem(init: InitSystem, scope: ServiceSpec["scope"]): void {
  if (scope === "system") return;
  throw new UsageError(`${init} has no services of accounts: leave --user out`);
}

/** Of the systemd here; a recent one where there is none and the unit is only printed. */
async function systemdVersion(run: Run): Promise<number> {
  const { out } = await run(["systemctl", "--version"]);
  return Number(/^systemd (\d+)/.exec(out)?.[1] ?? 255);
}
