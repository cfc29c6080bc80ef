/** The service that keeps an agent running: it would start one again that was only ended. */
import { serviceOf } from "../service/installed.ts";
import type { Command } from "../service/recipe.ts";
import type { Run } from "../service/run.ts";
import { SERVICE } from "../service/spec.ts";
import { asOwnerOf } from "../trust/as-owner.ts";
import { asRoot, isRootAtHand } from "../trust/identity.ts";
import type { FoundAgent } from "./find.ts";
import { scopeWords, type Unit, unitOf } from "./supervisor.ts";

/** The service manager that would start an agent again. */
export interface Keeper {
  readonly manager: "systemd" | "openrc" | "launchd";
  /** Of the service, as its manager knows it. */
  readonly name: string;
  /** Whose manager that is. */
  readonly scope: "system" | "user";
  readonly stop: Command;
  readonly restart: Command;
}

/**
 * What the agent's process and its answers say of a service counts only where the service manager, or a file of root's,
 * says the same: they are its account's, and root stops services because of them.
 * @param config file of the agent
 * @returns null where no service keeps it
 */
export async function keeperOf(agent: FoundAgent, config: string, run: Run): Promise<Keeper | null> {
  const pid = agent.process?.pid ?? agent.status?.pid;
  if (!pid) return null;
  const unit = unitOf(pid);
  if (unit) return (await isMainProcess(unit, pid, config, run)) ? keeperOfUnit(unit) : null;
  const manager = agent.status?.run;
  if (manager !== "openrc" && manager !== "launchd") return null;
  const service = serviceOf(config);
  if (service?.init !== manager || service.stop === null) return null;
  const restart: Command =
    manager === "openrc"
      ? ["rc-service", SERVICE, "restart"]
      : ["launchctl", "kickstart", "-k", service.stop[2] ?? ""];
  return { manager, name: SERVICE, scope: "system", stop: service.stop, restart };
}

/**
 * The service of the machine that is about to start the agent with that configuration again: between two tries no process
 * can be found.
 */
export async function waitingKeeper(config: string, run: Run): Promise<Keeper | null> {
  if (serviceOf(config)?.init !== "systemd") return null;
  const keeper = keeperOfUnit({ name: `${SERVICE}.service`, scope: "system" });
  const { out } = await asRoot(() =>
    run(["systemctl", "show", "--property=ActiveState", "--value", keeper.name]),
  );
  return out === "activating" || out === "active" ? keeper : null;
}

/** A unit of systemd as a keeper. */
export function keeperOfUnit(unit: Unit): Keeper {
  const systemctl = (...words: string[]): Command => ["systemctl", ...scopeWords(unit), ...words, unit.name];
  return {
    manager: "systemd",
    name: unit.name,
    scope: unit.scope,
    stop: systemctl("stop"),
    restart: systemctl("--no-block", "restart"),
  };
}

// --- internal ---

/** An account's own manager is that account's to ask. */
async function isMainProcess(unit: Unit, pid: number, config: string, run: Run): Promise<boolean> {
  const show = () =>
    run(["systemctl", ...scopeWords(unit), "show", "--property=MainPID", "--value", unit.name]);
  const { ok, out } = await (unit.scope === "system" ? asRoot(show) : asOwnerOf(config, show));
  // Who has no rights is told of the unit all the same where systemctl does not answer.
  return ok ? out === String(pid) : !isRootAtHand();
}
