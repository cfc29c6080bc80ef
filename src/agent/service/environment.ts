/** What an administrator has put into the files of the service that overrules the configuration. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SERVICE } from "./spec.ts";

/** Files of `NAME=value` lines that the services read, whichever service manager there is. */
const PLAIN_FILES = [`/etc/conf.d/${SERVICE}`, `/etc/default/${SERVICE}`, `/etc/sysconfig/${SERVICE}`];

/**
 * The variables of ours that the service will find.
 * @param envFile that install may have written, and the administrator added to
 * @param dropIns folder of systemd's drop-ins, in which `Environment=` lines count
 */
export function serviceEnvironment(envFile: string, dropIns: string | null): Record<string, string> {
  const lines = [envFile, ...(dropIns === null ? PLAIN_FILES : [])].flatMap(linesOf);
  const units = dropIns === null ? [] : filesIn(dropIns).flatMap(linesOf).flatMap(assignments);
  return Object.fromEntries([...lines, ...units].flatMap(variable));
}

// --- internal ---

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return []; // there is none
  }
}

/** In the order in which systemd reads them. */
function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".conf"))
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** The words of an `Environment=` line, quoted ones whole; those of the files that an `EnvironmentFile=` line names. */
function assignments(line: string): string[] {
  const file = /^\s*EnvironmentFile=-?(\S+)/.exec(line)?.[1];
  if (file !== undefined) return linesOf(file);
  const words = /^\s*Environment=(.*)$/.exec(line)?.[1] ?? "";
  return [...words.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, one, other, plain]) => one ?? other ?? plain ?? "",
  );
}

function variable(line: string): [string, string][] {
  const [, name, value] = /^\s*(?:export\s+)?(REXEC_[A-Z_]+)=(.*?)\s*$/.exec(line) ?? [];
  if (name === undefined || value === undefined) return [];
  return [[name, value.replace(/^(["'])(.*)\1$/, "$2")]];
}
