/** The gateway's YAML file: which one, what it says, and which line is wrong. */
import { existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { readBoundedFile } from "../../lib/bounded-file.ts";
import { messageOf } from "../../lib/errors.ts";
import { closest } from "../../lib/suggest.ts";
import { configError } from "./config-error.ts";
import { BadValue, type Place, path as pathKind } from "./kinds.ts";
import { readSecret } from "./secret-file.ts";
import type { Setting } from "./setting.ts";
import type { Given, Sources } from "./sources.ts";
import type { YamlEntry } from "./yaml-file.ts";

/** The settings that a file gives, and what is wrong with it that does not stop a start. */
export interface ConfigFile {
  readonly path: string | null;
  readonly given: [Setting<unknown>, Given][];
  readonly warnings: string[];
}

/** Bytes of a configuration file. */
const MOST_BYTES = 1024 * 1024;
/** Mistakes that one error names. */
const MOST_PROBLEMS = 5;

/** @throws RexecError `bad_config` with the lines of unknown keys and wrong values */
export function readConfigFile(
  sources: Sources,
  home: string,
  settings: readonly Setting<unknown>[],
): ConfigFile {
  const named = sources.file || sources.env.REXEC_SERVE_CONFIG;
  const usual = sources.usualFile ?? null;
  if (!named && (usual === null || !existsSync(usual))) return { path: null, given: [], warnings: [] };
  const path = resolve(sources.cwd, named || (usual ?? ""));
  const text = sources.text ?? readText(path, named === undefined || named === "");
  const place: Place = { base: dirname(path), home };
  const isSection = (key: string) => settings.some((setting) => setting.key.startsWith(`${key}.`));
  const { entries, problems: broken } = yamlReader().readYamlFile(text, isSection);
  const problems = broken.map(({ line, what }): Problem => ({ line, what }));
  const given: ConfigFile["given"] = [];
  const warnings: string[] = [];
  for (const entry of entries) {
    const from = `${path}:${entry.line}`;
    const setting = settings.find(({ key, isSecret }) =>
      [key, ...(isSecret ? [`${key}_file`] : [])].includes(entry.key),
    );
    if (!setting) problems.push(unknownKey(entry, settings));
    else if (entry.texts === null) continue;
    else if (entry.key !== setting.key && entry.texts.length !== 1) {
      problems.push({ line: entry.line, what: `${entry.key} is the path of one file` });
    } else if (given.some(([other]) => other === setting)) {
      problems.push({
        line: entry.line,
        what: `${setting.key} is given twice`,
        hint: "leave one of them out",
      });
    } else {
      const isInFile = entry.key !== setting.key;
      const secretFile = isInFile ? pathKind("FILE").parse(entry.texts, place) : undefined;
      const texts = isInFile ? [readSecret(entry.texts[0] ?? "", place, from, warnings)] : entry.texts;
      if (setting.isSecret && !isInFile && sources.text === undefined && othersRead(path)) {
        warnings.push(`others can read ${path}, which holds ${setting.key}: run chmod o= ${path}`);
      }
      const problem = problemOf(setting, texts, place, entry);
      if (problem) problems.push(problem);
      else given.push([setting, { texts, place, from, secretFile }]);
    }
  }
  if (problems.length > 0) throw summary(path, problems);
  return { path, given, warnings };
}

// --- internal ---

interface Problem {
  line: number;
  what: string;
  hint?: string | undefined;
}

/** Loaded for a file alone: it takes 10 ms (measured, Bun 1.4.5). */
function yamlReader(): typeof import("./yaml-file.ts") {
  return require("./yaml-file.ts");
}

function readText(path: string, isUsual: boolean): string {
  try {
    return readBoundedFile(path, MOST_BYTES).replace(/^\uFEFF/, "");
  } catch (error) {
    const hint = isUsual
      ? "let the gateway's account read it, or name another file with --config"
      : "--config (or REXEC_SERVE_CONFIG) names a YAML file that the gateway's account may read";
    throw configError(`cannot read ${path}: ${messageOf(error)}`, hint, error);
  }
}

function problemOf(
  setting: Setting<unknown>,
  texts: readonly string[],
  place: Place,
  { key, line }: YamlEntry,
): Problem | null {
  try {
    setting.value(texts, place);
    return null;
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    const what = setting.isSecret ? `the secret of ${key} is wrong` : `${key} ${error.message}`;
    return { line, what, hint: error.hint };
  }
}

/** Names of options are understood as meant for their keys, too. */
function unknownKey({ key, line }: YamlEntry, settings: readonly Setting<unknown>[]): Problem {
  const byName = new Map<string, string>();
  for (const setting of settings) {
    const last = setting.key.split(".").at(-1) ?? "";
    for (const name of [setting.flag.replaceAll("-", "_"), last, setting.key]) byName.set(name, setting.key);
    if (setting.isSecret) byName.set(`${setting.key}_file`, `${setting.key}_file`);
  }
  const typed = key.replaceAll("-", "_");
  const near = closest(typed, byName.keys()) ?? closest(typed.split(".").at(-1) ?? "", byName.keys());
  const meant = near === undefined ? undefined : byName.get(near);
  return {
    line,
    what: `there is no key "${key.slice(0, 80)}"`,
    hint: meant === undefined ? "rexec serve --print-config shows all keys" : `did you mean "${meant}"?`,
  };
}

function summary(path: string, problems: readonly Problem[]) {
  const sorted = problems.toSorted((a, b) => a.line - b.line);
  const [first] = sorted;
  if (first && sorted.length === 1) return configError(`${path}:${first.line}: ${first.what}`, first.hint);
  const shown = sorted.slice(0, MOST_PROBLEMS).map(({ line, what, hint }) => {
    return `${path}:${line}: ${what}${hint === undefined ? "" : ` (${hint})`}`;
  });
  const left = sorted.length - shown.length;
  return configError(shown.join("; "), left > 0 ? `${left} more are wrong` : undefined);
}

function othersRead(path: string): boolean {
  return (statSync(path).mode & 0o007) !== 0;
}
