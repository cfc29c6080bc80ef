/** The configuration as YAML, which can be used as a file again, and the reference of all settings. */
import type { ServeConfig } from "./load.ts";
import { optionOf, type Setting } from "./setting.ts";
import type { SettingTable } from "./settings.ts";

/** Each value with a comment that says where it comes from. Of a secret there is only that it is set. */
export function configAsYaml(config: ServeConfig, table: SettingTable): string {
  const sections = new Map<string, string[]>();
  for (const setting of Object.values(table)) {
    const names = setting.key.split(".");
    const section = names.slice(0, -1).join(".");
    const line = lineOf(config, setting, names.at(-1) ?? "");
    sections.set(section, [...(sections.get(section) ?? []), line]);
  }
  const head = config.file === null ? "# no configuration file" : `# with ${config.file}`;
  const top = sections.get("") ?? [];
  sections.delete("");
  const blocks = [...sections].map(([name, lines]) => block(name.split("."), lines));
  return `${[head, ...top, ...blocks].join("\n")}\n`;
}

/** A file of what is given, for a service: nothing of defaults, which may change with a version. */
export function givenAsYaml(config: ServeConfig, table: SettingTable): string {
  const sections = new Map<string, string[]>();
  for (const setting of Object.values(table)) {
    if (config.from(setting) === null || setting.isSecret) continue;
    const names = setting.key.split(".");
    const section = names.slice(0, -1).join(".");
    const line = lineOf(config, setting, names.at(-1) ?? "").replace(/ {2}# \S+$/, "");
    sections.set(section, [...(sections.get(section) ?? []), line]);
  }
  const top = sections.get("") ?? [];
  sections.delete("");
  const blocks = [...sections].map(([name, lines]) => block(name.split("."), lines));
  const head = "# Settings of the gateway. rexec serve --print-config shows all of them.";
  return `${[head, ...top, ...blocks].join("\n")}\n`;
}

/** A Markdown table of all settings. */
export function reference(table: SettingTable): string {
  const rows = Object.values(table).map((setting) => {
    const file = setting.isSecret ? [`${setting.key}_file`, `${setting.variable}_FILE`] : [];
    const hint = setting.isSecret ? "FILE" : setting.kind.hint;
    const option = `\`--${optionOf(setting)}${setting.kind.form === "switch" ? "" : ` ${escaped(hint)}`}\``;
    const variables = [
      setting.variable,
      ...file.slice(1),
      ...(setting.lastVariable ? [setting.lastVariable] : []),
    ];
    const keys = [setting.key, ...file.slice(0, 1)];
    const standard = setting.fallback ? `\`${setting.fallback}\`` : "";
    return `| ${keys.map(code).join(", ")} | ${option} | ${variables.map(code).join(", ")} | ${standard} | ${escaped(setting.description)} |`;
  });
  return ["| key | option | variable | default | |", "|---|---|---|---|---|", ...rows].join("\n");
}

// --- internal ---

function lineOf(config: ServeConfig, setting: Setting<unknown>, name: string): string {
  const from = config.from(setting) ?? "default";
  const texts = config.texts(setting);
  if (setting.isSecret) return `# ${name}: ${texts === null ? "not set" : `set, not shown  # ${from}`}`;
  if (texts === null) return `# ${name}: not set`;
  const isList = setting.kind.form === "list";
  const value = isList ? `[${texts.map(yamlText).join(", ")}]` : yamlText(texts[0] ?? "");
  return `${name}: ${value}  # ${from}`;
}

/** A section in which nothing is set stays a comment: a key without a value would be a mistake to the eye. */
function block(names: readonly string[], lines: readonly string[]): string {
  const isSet = lines.some((line) => !line.startsWith("#"));
  const head = names.map((name, depth) => `${isSet ? "" : "# "}${"  ".repeat(depth)}${name}:`);
  const indent = "  ".repeat(names.length);
  const body = lines.map((line) =>
    line.startsWith("# ") ? `# ${indent}${line.slice(2)}` : `${indent}${line}`,
  );
  return [...head, ...body].join("\n");
}

/** Bare where nothing in it means something to YAML. */
function yamlText(text: string): string {
  return /^[\w./][\w./@+-]*(:[\w./@+-]+)*$/.test(text) && !/^(null|~)$/i.test(text)
    ? text
    : JSON.stringify(text);
}

function code(text: string): string {
  return `\`${text}\``;
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|");
}
