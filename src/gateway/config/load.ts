/** The gateway's configuration as it applies: options before environment before YAML file before defaults. */
import { join } from "node:path";
import { UsageError } from "../../lib/errors.ts";
import { homeFolder } from "../../lib/home.ts";
import { closest } from "../../lib/suggest.ts";
import { configError } from "./config-error.ts";
import { readConfigFile } from "./file.ts";
import { BadValue, type FileUse, type Place } from "./kinds.ts";
import { readSecret } from "./secret-file.ts";
import { optionOf, type Setting } from "./setting.ts";
import { SETTINGS, type SettingTable } from "./settings.ts";
import type { Given, Sources } from "./sources.ts";

type Environment = Sources["env"];

/** The file of the gateway that runs as a system service, or that root starts. */
export const SYSTEM_FILE = "/etc/rexec/serve.yaml";

/** The YAML file of an account, which is read if none is named. */
export function usualFile(env: Environment, isRoot = process.getuid?.() === 0): string {
  return isRoot ? SYSTEM_FILE : join(homeFolder(env), ".rexec", "serve.yaml");
}

/** All values of one gateway, checked. Made at start, and does not change. */
export class ServeConfig {
  /** The file that was read; null without one. */
  readonly file: string | null;
  /** What deserves a line in the log: unknown variables, a file of secrets that others can read. */
  readonly warnings: readonly string[];
  readonly #given: ReadonlyMap<Setting<unknown>, Given>;
  readonly #place: Place;

  /** @internal `loadConfig` makes it */
  constructor(
    file: string | null,
    warnings: readonly string[],
    given: ReadonlyMap<Setting<unknown>, Given>,
    place: Place,
  ) {
    this.file = file;
    this.warnings = warnings;
    this.#given = given;
    this.#place = place;
  }

  get<T>(setting: Setting<T>): T {
    const given = this.#given.get(setting);
    return setting.value(given?.texts ?? null, given?.place ?? this.#place);
  }

  /** Where the value comes from, as a person names it; null for the default. */
  from(setting: Setting<unknown>): string | null {
    return this.#given.get(setting)?.from ?? null;
  }

  /** All files and folders that these settings name, the configuration itself and files of secrets among them. */
  files(table: SettingTable = SETTINGS): FileUse[] {
    const own: FileUse[] = this.file === null ? [] : [{ path: this.file, access: "read" }];
    const named = Object.values(table).flatMap((setting) => {
      const {
        texts = setting.fallback === null ? [] : [setting.fallback],
        place = this.#place,
        secretFile,
      } = this.#given.get(setting) ?? {};
      const secret: FileUse[] = secretFile === undefined ? [] : [{ path: secretFile, access: "read" }];
      return [...secret, ...(setting.kind.files?.(texts, place) ?? [])];
    });
    return [...own, ...named];
  }

  /** The value as text, paths absolute; null for none. Of a secret it is the secret. */
  texts(setting: Setting<unknown>): readonly string[] | null {
    const given = this.#given.get(setting);
    const texts = given?.texts ?? (setting.fallback === null ? null : [setting.fallback]);
    return texts && setting.kind.shown(texts, given?.place ?? this.#place);
  }
}

/**
 * Reads and checks all sources, also the values that others overrule.
 * @throws UsageError for an option; RexecError `bad_config` (exit code 2) for the environment and the file
 */
export function loadConfig(sources: Sources, table: SettingTable = SETTINGS): ServeConfig {
  const home = homeFolder(sources.env);
  const place: Place = { base: sources.cwd, home };
  const settings = Object.values(table);
  const options = fromOptions(settings, sources, place);
  const variables = fromEnvironment(settings, sources.env, place);
  const file = readConfigFile(sources, home, settings);
  const last = settings.flatMap((setting) => lastResort(setting, sources.env, place));
  const given = new Map([...last, ...file.given, ...variables.given, ...options.given]);
  const warnings = [...options.warnings, ...variables.warnings, ...file.warnings];
  return new ServeConfig(file.path, warnings, given, place);
}

// --- internal ---

interface Part {
  given: [Setting<unknown>, Given][];
  warnings: string[];
}

function fromOptions(settings: readonly Setting<unknown>[], { options }: Sources, place: Place): Part {
  const part: Part = { given: [], warnings: [] };
  for (const setting of settings) {
    const given = options[optionOf(setting)];
    if (given === undefined) continue;
    const from = `--${optionOf(setting)}`;
    const text = setting.isSecret ? readSecret(given, place, from, part.warnings) : given;
    try {
      setting.value([text], place);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      throw new UsageError(
        setting.isSecret ? `the secret of ${from} is wrong` : `${from} ${error.message}`,
        error.hint,
      );
    }
    part.given.push([setting, { texts: [text], place, from }]);
  }
  return part;
}

/** An empty variable is as if it were not set. */
function fromEnvironment(settings: readonly Setting<unknown>[], env: Environment, place: Place): Part {
  const part: Part = { given: [], warnings: [] };
  const known = new Set(["REXEC_SERVE_CONFIG"]);
  for (const setting of settings) {
    const { variable, isSecret } = setting;
    known.add(variable);
    if (isSecret) known.add(`${variable}_FILE`);
    const plain = env[variable];
    const file = isSecret ? env[`${variable}_FILE`] : undefined;
    if (plain && file) {
      throw configError(`${variable} and ${variable}_FILE are both set`, "set one of them");
    }
    const from = file ? `${variable}_FILE` : variable;
    const text = file ? readSecret(file, place, from, part.warnings) : plain;
    if (!text) continue;
    try {
      setting.value([text], place);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      throw configError(isSecret ? `the secret of ${from} is wrong` : `${from} ${error.message}`, error.hint);
    }
    part.given.push([setting, { texts: [text], place, from }]);
  }
  for (const name of Object.keys(env)) {
    if (!name.startsWith("REXEC_SERVE_") || known.has(name)) continue;
    const near = closest(name, known);
    const meant = near === undefined ? "" : `: did you mean ${near}?`;
    part.warnings.push(`the variable ${name.slice(0, 80)} has no effect${meant}`);
  }
  return part;
}

/** A wrong value of such a variable has always meant the default. */
function lastResort(setting: Setting<unknown>, env: Environment, place: Place): [Setting<unknown>, Given][] {
  const text = setting.lastVariable === null ? undefined : env[setting.lastVariable];
  if (!text || setting.lastVariable === null) return [];
  try {
    setting.value([text], place);
    return [[setting, { texts: [text], place, from: setting.lastVariable }]];
  } catch (error) {
    if (error instanceof BadValue) return [];
    throw error;
  }
}
