/** The options of `rexec serve`, made from the table of settings. */
import type { ArgsDef } from "citty";
import { loadConfig, type ServeConfig, usualFile } from "../gateway/config/load.ts";
import { optionOf, type Setting } from "../gateway/config/setting.ts";
import { SETTINGS } from "../gateway/config/settings.ts";
import { repeatable } from "./_cli.ts";

/** `--config FILE` of the gateway's commands. */
export const serveFileArgs = {
  config: {
    type: "string",
    alias: "c",
    valueHint: "FILE",
    description:
      "YAML file of these settings (REXEC_SERVE_CONFIG; default ~/.rexec/serve.yaml, for root /etc/rexec/serve.yaml)",
  },
} as const satisfies ArgsDef;

/** An option for each setting. */
export const settingArgs: ArgsDef = argsOf(Object.values(SETTINGS));

/** The settings among the arguments that citty has parsed, as they were typed. */
export function optionsOf(args: Readonly<Record<string, unknown>>): Record<string, string> {
  const options: Record<string, string> = {};
  for (const name of Object.values(SETTINGS).map(optionOf)) {
    const value = args[name];
    if (typeof value === "string" || typeof value === "boolean") options[name] = String(value);
  }
  return options;
}

/**
 * The configuration that the options, this process's environment and the file make.
 * @param args as citty parsed them; those that are no settings are left alone
 * @throws UsageError, or RexecError `bad_config`
 */
export function serveConfig(args: Readonly<Record<string, unknown>>): ServeConfig {
  const { env } = process;
  const file = typeof args.config === "string" ? args.config : undefined;
  return loadConfig({ options: optionsOf(args), env, file, usualFile: usualFile(env), cwd: process.cwd() });
}

// --- internal ---

/** None has a default for citty: what is not typed may stand in the environment or the file. */
function argsOf(settings: readonly Setting<unknown>[]): ArgsDef {
  return Object.fromEntries(settings.map((setting) => [optionOf(setting), argOf(setting)]));
}

function argOf(setting: Setting<unknown>): ArgsDef[string] {
  const { kind, fallback } = setting;
  const shown =
    fallback && !(kind.form === "switch" && fallback === "false") ? ` (default: ${fallback})` : "";
  const what = setting.isSecret
    ? `File that holds this: ${setting.description.charAt(0).toLowerCase()}${setting.description.slice(1)}`
    : setting.description;
  const description = `${what}${shown}`;
  if (kind.form === "switch") return { type: "boolean", description };
  const arg = { type: "string", valueHint: setting.isSecret ? "FILE" : kind.hint, description } as const;
  if (kind.form === "list") return repeatable(arg);
  return arg;
}
