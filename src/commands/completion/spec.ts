/** What a shell has to know to complete a program's command line, read off its tree of commands. */
import type { ArgDef, ArgsDef } from "citty";
import { BUILTIN_ARGS, kebab } from "../_arguments.ts";
import { aliasesOf, argsOf, type CommandPath, childrenOf } from "../_tree.ts";

/** What may stand in the place of a value. */
export type Value =
  | { kind: "file" | "folder" | "text"; hint: string }
  | { kind: "choice"; hint: string; choices: readonly string[] };

export interface OptionSpec {
  /** `["--config", "-c"]` */
  flags: readonly string[];
  description: string;
  /** Null for a switch. */
  value: Value | null;
}

export interface CommandSpec {
  /** `rexec agent start` */
  path: string;
  /** Sub-commands, `help` and `version` among them; none for a command that runs. */
  children: readonly { name: string; path: string | null; description: string }[];
  options: readonly OptionSpec[];
  positionals: readonly Value[];
}

/** The command and everything below it, hidden ones left out; the command itself comes first. */
export async function completionSpecs(path: CommandPath): Promise<CommandSpec[]> {
  const args = await argsOf(path.command);
  const children = (await childrenOf(path.command)).filter(({ meta }) => !meta.hidden);
  const name = path.names.join(" ");
  const below = children.flatMap((child) =>
    [child.name, ...child.aliases].map((word) => ({
      name: word,
      path: `${name} ${child.name}`,
      description: brief(child.meta.description),
    })),
  );
  const builtin = [
    { name: "help", path: null, description: "Show the help of a command" },
    ...(path.names.length === 1 ? [{ name: "version", path: null, description: "Show the version" }] : []),
  ];
  const own: CommandSpec = {
    path: name,
    children: below.length > 0 ? [...below, ...builtin] : [],
    options: optionsOf(args),
    positionals: Object.values(args)
      .filter((def) => def.type === "positional")
      .map(valueSpec),
  };
  const deeper = await Promise.all(
    children.map((child) => completionSpecs({ names: [...path.names, child.name], command: child.command })),
  );
  return [own, ...deeper.flat()];
}

/** A function's name for a command: `_rexec_agent_start`. */
export function functionName(path: string): string {
  return `_${path.replace(/[^A-Za-z0-9]+/g, "_")}`;
}

/** The text as one word of bash, zsh or fish (which reads `\'` and `\\` in single quotes, so neither is let in). */
export function quoted(text: string): string {
  return `'${text.replace(/'/g, "’").replace(/\\/g, "/")}'`;
}

// --- internal ---

function optionsOf(args: ArgsDef): OptionSpec[] {
  const own = Object.entries(args).filter(([, def]) => def.type !== "positional");
  const taken = new Set(own.flatMap(([name, def]) => [name, ...aliasesOf(def)]));
  const specs = own.map(([name, def]) => optionOf([name, ...aliasesOf(def)], def));
  for (const [name, def] of Object.entries(BUILTIN_ARGS)) {
    const free = [name, ...aliasesOf(def)].filter((each) => !taken.has(each));
    if (free.length > 0) specs.push(optionOf(free, def));
  }
  return specs;
}

function optionOf(names: readonly string[], def: ArgDef): OptionSpec {
  return {
    flags: names.map((name) => (name.length === 1 ? `-${name}` : `--${kebab(name)}`)),
    description: brief(def.description),
    value: def.type === "boolean" ? null : valueSpec(def),
  };
}

const FILES = new Set(["FILE", "PATH"]);

/** A hint in lower case with bars, `bash|zsh|fish`, lists all that there is. */
function valueSpec(def: ArgDef): Value {
  const hint = def.valueHint ?? "VALUE";
  const options = def.type === "enum" ? (def.options ?? []) : [];
  if (options.length > 0) return { kind: "choice", hint, choices: options };
  if (/^[a-z0-9-]+(\|[a-z0-9-]+)+$/.test(hint)) return { kind: "choice", hint, choices: hint.split("|") };
  return { kind: FILES.has(hint) ? "file" : hint === "DIR" ? "folder" : "text", hint };
}

/** The first words of a description: what stands in front of its brackets, or of a colon and the like. */
function brief(text = ""): string {
  return text.split(/ \(|; |: /, 1)[0] ?? "";
}
