/** What a shell has to know to complete a program's command line, read off its tree of commands. */
import type { ArgDef, ArgsDef } from "citty";
import { BUILTIN_ARGS, kebab, takesMany } from "../_arguments.ts";
import { aliasesOf, argsOf, type CommandPath, childrenOf } from "../_tree.ts";

/** What may stand in the place of a value. */
export type Value =
  | { kind: "file" | "folder" | "text"; hint: string }
  | { kind: "choice"; hint: string; choices: readonly string[] }
  /** Names that `rexec complete` tells. */
  | { kind: "asked"; hint: string; what: string };

/** An option, as completion scripts offer it. */
export interface OptionSpec {
  /** `["--config", "-c"]` */
  flags: readonly string[];
  description: string;
  /** Null for a switch. */
  value: Value | null;
}

/** A command and its options, as completion scripts offer them. */
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
  // The agent's program reaches no other machine, and has no such command.
  const asks = path.names[0] === "rexec";
  const own: CommandSpec = {
    path: name,
    children: below.length > 0 ? [...below, ...builtin] : [],
    options: optionsOf(args, asks),
    positionals: Object.values(args)
      .filter((def) => def.type === "positional")
      .flatMap((def) => Array.from({ length: takesMany(def) ? MOST_PLACES : 1 }, () => valueSpec(def, asks))),
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

function optionsOf(args: ArgsDef, asks: boolean): OptionSpec[] {
  const own = Object.entries(args).filter(([, def]) => def.type !== "positional");
  const taken = new Set(own.flatMap(([name, def]) => [name, ...aliasesOf(def)]));
  const specs = own.map(([name, def]) => optionOf([name, ...aliasesOf(def)], def, asks));
  for (const [name, def] of Object.entries(BUILTIN_ARGS)) {
    const free = [name, ...aliasesOf(def)].filter((each) => !taken.has(each));
    if (free.length > 0) specs.push(optionOf(free, def, asks));
  }
  return specs;
}

function optionOf(names: readonly string[], def: ArgDef, asks: boolean): OptionSpec {
  return {
    flags: names.map((name) => (name.length === 1 ? `-${name}` : `--${kebab(name)}`)),
    description: brief(def.description),
    value: def.type === "boolean" ? null : valueSpec(def, asks),
  };
}

/** Words of a positional that takes any number for which names are offered. */
const MOST_PLACES = 8;

const FILES = new Set(["FILE", "PATH"]);

/** Hints whose values only a server knows, and what they are. */
const ASKED: Record<string, string | undefined> = {
  "NAME|ID": "machine",
  WAITING: "waiting",
  "TOKEN|ID": "join",
  SESSION: "session",
  TAG: "tag",
  HOST: "server",
  URL: "server",
};

/** A hint in lower case with bars, `bash|zsh|fish`, lists all that there is. */
function valueSpec(def: ArgDef, asks: boolean): Value {
  const hint = def.valueHint ?? "VALUE";
  const options = def.type === "enum" ? (def.options ?? []) : [];
  if (options.length > 0) return { kind: "choice", hint, choices: options };
  if (/^[a-z0-9-]+(\|[a-z0-9-]+)+$/.test(hint)) return { kind: "choice", hint, choices: hint.split("|") };
  const what = asks ? ASKED[hint] : undefined;
  if (what !== undefined) return { kind: "asked", hint, what };
  return { kind: FILES.has(hint) ? "file" : hint === "DIR" ? "folder" : "text", hint };
}

/** The first words of a description: what stands in front of its brackets, or of a colon and the like. */
function brief(text = ""): string {
  return text.split(/ \(|; |: /, 1)[0] ?? "";
}
