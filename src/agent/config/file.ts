/** The agent's configuration file: where it is, what it says, and which line is wrong. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import type { Document } from "yaml";
import { readBoundedFile } from "../../lib/bounded-file.ts";
import { errnoOf, messageOf, RexecError } from "../../lib/errors.ts";
import { homeFolder } from "../../lib/home.ts";
import { jsonErrorOffset, lineAt } from "./json-position.ts";
import { unknownKeys } from "./keys.ts";
import { type FileSettings, fileSettings, ORIGINAL_KEYS, TAG_KEYS } from "./schema.ts";
import type { LineOf } from "./yaml.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The file of system-wide installs. */
export const SYSTEM_CONFIG = "/etc/rexec/agent.yaml";

/** A file that was read. `raw` keeps everything in it, for writing back. */
export interface ConfigFile {
  readonly path: string;
  readonly settings: FileSettings;
  readonly raw: RawConfig;
  /** A warning for each key that has no effect and looks like one that has. */
  readonly unknownKeys: readonly string[];
  /** Everything worth a warning: those, and that others may read the file. */
  readonly warnings: readonly string[];
}

/** A document that can be changed without losing what else is in it. */
export type RawConfig =
  | { format: "yaml"; document: Document }
  | { format: "json"; values: Record<string, unknown> };

/** The file of a user's own install. HOME decides, and the account's home where it is not set. */
export function userConfig(env: Environment): string {
  return join(homeFolder(env), ".rexec", "agent.json");
}

/**
 * The file to read: the named one, else the system's, else the user's; null where there is none. A system file that
 * only root may read does not hide the user's own.
 */
export function findConfig(
  named: string | undefined,
  env: Environment,
  system = SYSTEM_CONFIG,
): string | null {
  const explicit = named || env.REXEC_CONFIG;
  if (explicit) return resolve(explicit);
  const own = userConfig(env);
  if (isReadable(system)) return system;
  if (existsSync(own)) return own;
  return existsSync(system) ? system : null;
}

/** The file that `register` writes where none was found. */
export function newConfigPath(env: Environment, isRoot: boolean, system = SYSTEM_CONFIG): string {
  return isRoot ? system : userConfig(env);
}

/**
 * Reads and checks a file.
 * @returns null where it does not exist
 * @throws RexecError `config_unreadable`, `config_broken` (with file and line)
 */
export function readConfig(path: string): ConfigFile | null {
  const text = readText(path);
  if (text === null) return null;
  const { raw, values, lineOf } = isYaml(path)
    ? yamlFormat().readYaml(text, (line, what) => broken(path, line, what))
    : readJson(path, text);
  const odd = unknownKeys(path, Object.keys(values), lineOf);
  const settings = check(path, values, lineOf);
  return { path, raw, settings, unknownKeys: odd, warnings: [...odd, ...permissionWarnings(path)] };
}

/** A file that does not exist yet. */
export function emptyConfig(path: string): ConfigFile {
  const raw: RawConfig = isYaml(path)
    ? { format: "yaml", document: yamlFormat().emptyYaml() }
    : { format: "json", values: {} };
  return { path, raw, settings: {}, unknownKeys: [], warnings: [] };
}

/** What reads and changes YAML. Loaded for a file of that format alone: it takes 10 ms (measured, Bun 1.4.5). */
export function yamlFormat(): typeof import("./yaml.ts") {
  return require("./yaml.ts");
}

// --- internal ---

interface Content {
  raw: RawConfig;
  values: Record<string, unknown>;
  lineOf: LineOf;
}

function isYaml(path: string): boolean {
  return extname(path).toLowerCase() !== ".json";
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function readText(path: string): string | null {
  try {
    return readBoundedFile(path, MOST_BYTES).replace(/^\uFEFF/, "");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return null;
    throw new RexecError(`cannot read ${path}: ${messageOf(error)}`, {
      code: "config_unreadable",
      hint: READ_HINTS[errnoOf(error) ?? ""] ?? "name another file with --config",
      cause: error,
    });
  }
}

/** A configuration has a few hundred bytes; what goes on past this is none. */
const MOST_BYTES = 1024 * 1024;

const READ_HINTS: Record<string, string | undefined> = {
  EACCES: "run this as the file's owner (sudo), or name another file with --config",
  EISDIR: "that is a folder: name a file in it with --config",
};

function broken(path: string, line: number | null, what: string): RexecError {
  return new RexecError(`${path}${line === null ? "" : `:${line}`}: ${what}`, {
    code: "config_broken",
    hint: "correct that line, or move the file away and register again: rexec-agent register",
  });
}

function readJson(path: string, text: string): Content {
  const lineOf: LineOf = (key) => {
    const word = JSON.stringify(key);
    for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
      if (/^\s*:/.test(text.slice(at + word.length))) return lineAt(text, at);
    }
    return null;
  };
  const parsed = parseJsonText(path, text);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw broken(path, 1, "an object in braces is expected");
  }
  const values: Record<string, unknown> = { ...parsed };
  return { raw: { format: "json", values }, values, lineOf };
}

function parseJsonText(path: string, text: string): unknown {
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    const offset = jsonErrorOffset(text);
    const found =
      offset >= text.length ? "the file ends too early" : `unexpected ${JSON.stringify(text[offset])}`;
    throw broken(path, lineAt(text, offset), `broken JSON: ${found} (${messageOf(error)})`);
  }
}

function check(path: string, values: Record<string, unknown>, lineOf: LineOf): FileSettings {
  const known: Record<string, unknown> = {};
  for (const key of Object.keys(fileSettings.shape)) {
    const value = values[key];
    if (isSet(value)) known[key] = value;
  }
  const spelled = new Map<string, string>();
  for (const [ours, original] of ORIGINAL_KEYS) {
    if (ours in known || !isSet(values[original])) continue;
    known[ours] = values[original];
    spelled.set(ours, original);
  }
  const tagKey = TAG_KEYS.find((key) => values[key] !== null && values[key] !== undefined);
  if (tagKey)
    known.tags =
      typeof values[tagKey] === "string"
        ? values[tagKey]
            .split(",")
            .map((tag) => tag.trim())
            .filter(Boolean)
        : values[tagKey];
  const result = fileSettings.safeParse(known);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const key = String(issue?.path[0] ?? "");
  const shown = key === "tags" && tagKey ? tagKey : (spelled.get(key) ?? key);
  throw broken(path, lineOf(shown), `${shown}: ${issue?.message ?? "is wrong"}`);
}

function isSet(value: unknown): boolean {
  return value !== null && value !== undefined && value !== "";
}

function permissionWarnings(path: string): string[] {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return [];
  return [
    `others may read ${path} (mode ${mode.toString(8)}), the place of the token: run chmod 600 ${path}`,
  ];
}
