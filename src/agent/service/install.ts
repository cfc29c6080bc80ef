/** Installs, updates and removes the service, whichever service manager it is for. */
import { chmodSync, existsSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../../lib/atomic-file.ts";
import { messageOf, RexecError } from "../../lib/errors.ts";
import { readProcess } from "../../pty/procfs.ts";
import type { Recipe } from "./recipe.ts";
import { type Run, runAll } from "./run.ts";
import type { ServiceSpec } from "./spec.ts";

/** Unit of the times in /proc (USER_HZ): 100 on every Linux that we build for. */
const TICKS_PER_SECOND = 100;

export interface ServiceOptions {
  recipe: Recipe;
  run: Run;
  /** Told what is done, a line each. */
  tell(line: string): void;
}

export interface InstallOptions extends ServiceOptions {
  spec: ServiceSpec;
  /** Stops an agent of the same configuration that the service does not run; says whether there was one. */
  stopOther?(): Promise<boolean>;
}

/** `unchanged`: it runs already, with this executable, this configuration and this file. */
export type Installed = "started" | "restarted" | "unchanged";

/**
 * Writes the file where it differs, enables the service, and starts or restarts it where that is needed.
 * @throws RexecError `service_unwritable`, `service_failed`
 */
export async function installService(options: InstallOptions): Promise<Installed> {
  const { recipe, spec, run, tell } = options;
  const text = recipe.text(spec);
  const reasons = await reasonsToRestart(options);
  if (readText(recipe.file) !== text) {
    write(recipe, text);
    tell(`wrote ${recipe.file}`);
    await runAll(run, recipe.reload);
  }
  await runAll(run, recipe.enable);
  const isActive = (await run(recipe.isActive)).ok;
  if (isActive && reasons.length === 0) return "unchanged";
  if (!isActive && (await options.stopOther?.())) tell("stopped the agent that ran without the service");
  if (isActive) tell(`restarting it: ${reasons.join(" and ")}`);
  const commands = isActive ? recipe.restart : recipe.start;
  const preparing = commands.slice(0, -1);
  for (const command of preparing) await run(command);
  await runAll(run, commands.slice(-1));
  return isActive ? "restarted" : "started";
}

/**
 * Stops the service and removes its file and what only it has made.
 * @returns the paths that are gone; none where there was no service
 */
export async function uninstallService({ recipe, run, tell }: ServiceOptions): Promise<string[]> {
  if (existsSync(recipe.file)) {
    for (const command of recipe.stop) {
      const { ok, error } = await run(command);
      if (!ok) tell(`${command.join(" ")} failed: ${error}`);
    }
  }
  const removed: string[] = [];
  if (existsSync(recipe.file)) {
    remove(recipe.file);
    removed.push(recipe.file);
  }
  for (const path of recipe.leftovers) if (clear(path)) removed.push(path);
  if (removed.includes(recipe.file)) for (const command of recipe.forget) await run(command);
  return removed;
}

// --- internal ---

/** Why a running service is not the one that is asked for. */
async function reasonsToRestart({ recipe, spec, run }: InstallOptions): Promise<string[]> {
  const reasons =
    readText(recipe.file) === recipe.text(spec) ? [] : ["the service's file is new or has changed"];
  const pid = recipe.mainPid === null ? 0 : Number((await run(recipe.mainPid)).out);
  if (!pid) return reasons;
  if (!isSameFile(`/proc/${pid}/exe`, spec.executable)) reasons.push("the executable has changed");
  if (changedSince(spec.config, pid)) reasons.push("the configuration has changed");
  return reasons;
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
    const bootSeconds = Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]);
    const ticks = readProcess(pid)?.start ?? 0;
    return statSync(path).mtimeMs > (bootSeconds + ticks / TICKS_PER_SECOND) * 1000;
  } catch {
    return true;
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function write({ file, mode }: Recipe, text: string): void {
  try {
    writeFileAtomic(file, text, mode);
    chmodSync(file, mode); // whatever the umask was
  } catch (error) {
    throw new RexecError(`cannot write ${file}: ${messageOf(error)}`, {
      code: "service_unwritable",
      cause: error,
    });
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { recursive: true });
  } catch (error) {
    throw new RexecError(`cannot remove ${path}: ${messageOf(error)}`, {
      code: "service_unwritable",
      cause: error,
    });
  }
}

/** Removes a folder that the service had: drop-ins, or what the runtime unpacked; says whether it is gone. */
function clear(path: string): boolean {
  if (!existsSync(path)) return false;
  if (path.endsWith(".d")) remove(path);
  else {
    for (const name of readdirSync(path)) if (name.startsWith(".bun-")) remove(join(path, name));
    if (readdirSync(path).length > 0) return false;
    rmdirSync(path);
  }
  return true;
}
