/** Installs, updates and removes the service, whichever service manager it is for. */
import { existsSync, readdirSync, readFileSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../../lib/atomic-file.ts";
import { ExitCode, messageOf, RexecError } from "../../lib/errors.ts";
import { readText, removeServiceFile, writeServiceFile } from "../../lib/service/files.ts";
import { readProcess } from "../../pty/procfs.ts";
import type { AgentStatus } from "../control/messages.ts";
import { asOwnerOfNow } from "../trust/as-owner.ts";
import { keepProxy, withoutProxy } from "./proxy-env.ts";
import type { Command, Recipe } from "./recipe.ts";
import { type Run, runAll } from "./run.ts";
import { answeringAgent, restartAgent, runningAgent, stopAgent } from "./running.ts";
import type { ServiceSpec } from "./spec.ts";

/** Unit of the times in /proc (USER_HZ): 100 on every Linux that we build for. */
const TICKS_PER_SECOND = 100;

const EXECUTABLE = "the executable has changed";
const CONFIGURATION = "the configuration has changed";
/** For these the agent can restart in its own process, which keeps its shells. */
const IN_PLACE: ReadonlySet<string> = new Set([EXECUTABLE, CONFIGURATION]);

/** A service of one manager, and how its commands are run. */
export interface ServiceOptions {
  recipe: Recipe;
  run: Run;
  /** Told what is done, a line each. */
  tell(line: string): void;
}

/** A service that is to be installed. */
export interface InstallOptions extends ServiceOptions {
  spec: ServiceSpec;
  /** The caller's, for where an agent of its own may run. */
  env: Readonly<Record<string, string | undefined>>;
}

/** `unchanged`: it runs already, with this executable, this configuration and this file. */
export type Installed = "started" | "restarted" | "unchanged";

/**
 * Writes the file where it differs, enables the service, and starts or restarts it where that is needed. An agent of
 * the same configuration that runs without the service is ended.
 * @throws RexecError `service_unwritable`, `service_failed`, `agent_stays`
 */
export async function installService(options: InstallOptions): Promise<Installed> {
  const { recipe, spec, run, tell } = options;
  const text = recipe.text(spec);
  let running = await runningAgent(spec, options.env);
  const pid = recipe.mainPid === null ? (running?.pid ?? 0) : Number((await run(recipe.mainPid)).out);
  // One that is just being replaced in its process answers in a moment.
  if (pid > 0) running ??= await answeringAgent(spec, options.env);
  const reasons = reasonsToRestart(options, text, pid, running);
  if (keepProxy(spec, options.env)) {
    tell(`wrote ${spec.envFile}, for the proxy of this environment`);
    reasons.push("the proxy has changed");
  }
  if (readText(recipe.file) !== text) {
    writeServiceFile(recipe.file, text, recipe.mode);
    tell(`wrote ${recipe.file}`);
    await runAll(run, recipe.reload);
  }
  await runAll(run, recipe.enable);
  const isActive = (await run(recipe.isActive)).ok;
  if (isActive && reasons.length === 0) return "unchanged";
  if (running && (!isActive || running.pid !== pid)) await stopOther(options, running);
  if (isActive) tell(`restarting it: ${reasons.join(" and ")}`);
  // What the service manager itself has to know anew takes a new process.
  if (isActive && running?.pid === pid && reasons.every((reason) => IN_PLACE.has(reason))) {
    if (await inPlace(options)) return "restarted";
  }
  await begin(options, isActive ? recipe.restart : recipe.start);
  return isActive ? "restarted" : "started";
}

/**
 * Stops the service and removes its file and what only it has made.
 * @returns the paths that are gone; none where there was no service
 */
export async function uninstallService(
  { recipe, run, tell }: ServiceOptions,
  envFile: string,
): Promise<string[]> {
  if (existsSync(recipe.file)) {
    for (const command of recipe.stop) {
      const { ok, error } = await run(command);
      if (!ok) tell(`${command.join(" ")} failed: ${error}`);
    }
  }
  const removed: string[] = [];
  if (existsSync(recipe.file)) {
    removeServiceFile(recipe.file);
    removed.push(recipe.file);
  }
  if (clearProxy(envFile)) removed.push(envFile);
  for (const path of recipe.leftovers) if (clear(path)) removed.push(path);
  if (removed.includes(recipe.file)) for (const command of recipe.forget) await run(command);
  return removed;
}

// --- internal ---

/** Why the service that runs (as `pid`, 0 where none does) is not the one that is asked for. */
function reasonsToRestart(
  { recipe, spec }: InstallOptions,
  text: string,
  pid: number,
  running: AgentStatus | null,
): string[] {
  const reasons = readText(recipe.file) === text ? [] : ["the service's file is new or has changed"];
  if (!pid) return reasons;
  if (!isSameFile(`/proc/${pid}/exe`, spec.executable)) reasons.push(EXECUTABLE);
  const digest = running?.pid === pid ? running.config_digest : undefined;
  // One that does not answer is not asked; a token that it was given meanwhile makes no difference then.
  if (digest === undefined ? changedSince(spec.config, pid) : digest !== spec.configDigest)
    reasons.push(CONFIGURATION);
  return reasons;
}

/** Two agents of one id would put each other out. */
async function stopOther({ recipe, run, spec, tell }: InstallOptions, other: AgentStatus): Promise<void> {
  tell(`ending the agent that runs without the service (pid ${other.pid}), and its shells`);
  // This may be typed into one of these shells, and end with it: the service must come up all the same. Until the
  // other one is gone its starts fail, and are tried again.
  if (recipe.startSoon) await run(recipe.startSoon);
  await stopAgent(spec, other);
}

/** Whether it could. */
async function inPlace({ spec, env, tell }: InstallOptions): Promise<boolean> {
  try {
    await restartAgent(spec, env);
    tell("its shells stay open");
    return true;
  } catch (error) {
    tell(`not in place, so its shells end: ${messageOf(error)}`);
    return false;
  }
}

/** The last of the commands is the one that counts. */
async function begin({ recipe, run, tell }: InstallOptions, commands: readonly Command[]): Promise<void> {
  for (const command of commands.slice(0, -1)) await run(command);
  const last = commands.at(-1);
  const { ok, error } = last ? await run(last) : { ok: true, error: "" };
  if (ok) return;
  const { lastWords, exitStatus } = recipe;
  const words = lastWords ? (await run(lastWords)).out : "";
  for (const line of words.split("\n").filter(Boolean)) tell(`  ${line}`);
  const status = exitStatus ? Number((await run(exitStatus)).out) : 0;
  throw new RexecError(`the service is installed, but does not start: ${error}`, {
    code: "service_failed",
    hint: `see: ${recipe.status}; ${recipe.logs}`,
    // What the agent left with says more than what the service manager's program did.
    exitCode: status === ExitCode.rejected || status === ExitCode.notSetUp ? status : ExitCode.failed,
  });
}

/** False too where the process is not ours to look at. */
function isSameFile(one: string, other: string): boolean {
  try {
    const [a, b] = [statSync(one), statSync(other)];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}

/** Whether the file is younger than the process. */
function changedSince(path: string, pid: number): boolean {
  try {
    // btime of /proc/stat would only be right to the second.
    const bootedMs = Date.now() - Number.parseFloat(readFileSync("/proc/uptime", "utf8")) * 1000;
    const ticks = readProcess(pid)?.start ?? 0;
    return statSync(path).mtimeMs > bootedMs + (ticks / TICKS_PER_SECOND) * 1000;
  } catch {
    return true;
  }
}

/** Takes the proxy out of the file, and removes it where nothing of the administrator's is left; whether it is gone. */
function clearProxy(envFile: string): boolean {
  const text = readText(envFile);
  if (text === null) return false;
  const rest = withoutProxy(text);
  if (rest === "") removeServiceFile(envFile);
  else if (rest !== text) writeFileAtomic(envFile, rest, 0o600);
  return rest === "";
}

/** Removes what the service had: drop-ins, or what the runtime unpacked; says whether it is gone. */
function clear(path: string): boolean {
  if (!existsSync(path)) return false;
  if (path.endsWith(".d")) removeServiceFile(path);
  else {
    // The folder is the account's that the service ran as: what is in it is removed with that one's rights.
    asOwnerOfNow(path, () => {
      for (const name of readdirSync(path)) if (name.startsWith(".bun-")) removeServiceFile(join(path, name));
    });
    if (readdirSync(path).length > 0) return false;
    rmdirSync(path);
  }
  return true;
}
