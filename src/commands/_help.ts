/** Help texts: what a newcomer needs to know, on one screen. */
import type { ArgDef, ArgsDef } from "citty";
import { ExitCode, OWN_FAILURE } from "../lib/errors.ts";
import { BUILTIN_ARGS, isRequired, takesMany } from "./_arguments.ts";
import {
  type AnyCommand,
  aliasesOf,
  argsOf,
  type Child,
  type CommandPath,
  canRun,
  childrenOf,
  isParent,
  metaOf,
} from "./_tree.ts";

/** What citty's definition has no place for. */
export interface HelpExtras {
  /** Stands for the words after `--`: `COMMAND [ARG…]`. A command without it takes them as its arguments. */
  rest?: string;
  /** Each a command line, and what it is for. */
  examples?: readonly (readonly [line: string, what: string])[];
  /** Sub-commands under titles, where there are many. What is in none comes last. */
  groups?: readonly (readonly [title: string, names: readonly string[]])[];
  /** Paragraphs after the options. */
  notes?: readonly string[];
  /** In addition to, or in place of, the usual ones. */
  exitCodes?: Readonly<Record<string, string>>;
  /** Our exit codes are a remote program's: failures of our own are `OWN_FAILURE`, but for a wrong command line. */
  remoteExit?: boolean;
}

/** Gives a command its examples, notes and exit codes. */
export function withHelp<T extends object>(command: T, extras: HelpExtras): T {
  allExtras.set(command, extras);
  return command;
}

/** What `withHelp` was given. */
export function extrasOf(command: AnyCommand): HelpExtras {
  return allExtras.get(command) ?? {};
}

/** `usage: rexec exec [options] NAME -- COMMAND [ARG…]` */
export async function usageLine(path: CommandPath): Promise<string> {
  const parent = await isParent(path.command);
  const positionals = Object.entries(await argsOf(path.command))
    .filter(([, def]) => def.type === "positional")
    .map(([name, def]) => {
      const shown = `${def.valueHint ?? name.toUpperCase()}${takesMany(def) ? "…" : ""}`;
      return isRequired(def) ? shown : `[${shown}]`;
    });
  const { rest } = extrasOf(path.command);
  const parts = [
    ...path.names,
    "[options]",
    ...(parent ? [canRun(path.command) ? "[COMMAND]" : "COMMAND"] : []),
    ...positionals,
    ...(rest ? ["--", rest] : []),
  ];
  return parts.join(" ");
}

/** The whole help of a command. */
export async function helpText(path: CommandPath, width: number): Promise<string> {
  const meta = await metaOf(path.command);
  const extras = extrasOf(path.command);
  const args = Object.entries(await argsOf(path.command));
  const children = await childrenOf(path.command);
  const positionals = args.filter(([, def]) => def.type === "positional");
  const options = [...args.filter(([, def]) => def.type !== "positional"), ...Object.entries(builtins(args))];
  const sections = [
    wrap(meta.description ?? "", width),
    `Usage: ${await usageLine(path)}`,
    aliasLine(meta.alias),
    table(
      "Commands",
      [
        ...commandRows(children, extras.groups ?? []),
        ...(children.length > 0
          ? [
              ["help [COMMAND]", "Show the help of a command"] satisfies Row,
              ...(path.names.length === 1 ? [["version", "Show the version"] satisfies Row] : []),
            ]
          : []),
      ],
      width,
    ),
    table(
      "Arguments",
      positionals.map(([name, def]) => [def.valueHint ?? name.toUpperCase(), describe(def)]),
      width,
    ),
    table(
      "Options",
      options.map(([name, def]) => [optionLabel(name, def), describe(def)]),
      width,
    ),
    ...(extras.notes ?? []).map((note) => wrap(note, width)),
    examples(extras),
    table("Exit codes", exitCodeRows(extras), width),
  ];
  return `${sections.filter(Boolean).join("\n\n")}\n`;
}

// --- internal ---

type Row = [string, string];
/** A title among the rows. */
type Title = [string];

function commandRows(children: readonly Child[], groups: NonNullable<HelpExtras["groups"]>): (Row | Title)[] {
  const rowOf = (child: Child): Row => [
    [child.name, ...child.aliases].join(", "),
    child.meta.description ?? "",
  ];
  const shown = children.filter((child) => !child.meta.hidden);
  const inGroups = new Set(groups.flatMap(([, names]) => names));
  const others = shown.filter(({ name }) => !inGroups.has(name)).map(rowOf);
  if (groups.length === 0) return others;
  const titled = groups.map(([title, names]): (Row | Title)[] => [
    [title],
    ...shown.filter(({ name }) => names.includes(name)).map(rowOf),
  ]);
  return [...titled.flat(), ["More"], ...others];
}

const allExtras = new WeakMap<object, HelpExtras>();

const EXIT_CODES: Record<string, string> = {
  [ExitCode.ok]: "fine",
  [ExitCode.failed]: "failed",
  [ExitCode.usage]: "the command line was wrong",
  [ExitCode.notSetUp]: "not registered, not running, or not logged in",
  [ExitCode.rejected]: "rejected by the server",
};

const REMOTE_EXIT_CODES: Record<string, string> = {
  [ExitCode.usage]: "also: the command line was wrong, and nothing was sent",
  [OWN_FAILURE]: "also: rexec itself failed: not logged in, refused, offline, the connection lost for good",
};

/** `-h` and `-v`, less the letters that the command has taken for itself. */
function builtins(args: readonly [string, ArgDef][]): ArgsDef {
  const taken = new Set(args.flatMap(([name, def]) => [name, ...aliasesOf(def)]));
  const left: ArgsDef = {};
  for (const [name, def] of Object.entries(BUILTIN_ARGS)) {
    if (taken.has(name)) continue;
    const alias = aliasesOf(def).filter((letter) => !taken.has(letter));
    left[name] = { type: "boolean", description: def.description ?? "", alias };
  }
  return left;
}

function aliasLine(alias: string | string[] | undefined): string {
  return alias?.length ? `Also: ${[alias].flat().join(", ")}` : "";
}

function optionLabel(name: string, def: ArgDef): string {
  const names = [name, ...aliasesOf(def)];
  const short = names.filter((each) => each.length === 1).map((each) => `-${each}`);
  const long = names
    .filter((each) => each.length > 1)
    .map((each) => `--${each.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
  const value =
    def.type === "boolean"
      ? ""
      : ` ${def.valueHint ?? (def.type === "enum" ? def.options?.join("|") : "VALUE")}`;
  return `${short.length > 0 ? `${short.join(", ")}, ` : "    "}${long.join(", ")}${value}`;
}

function describe(def: ArgDef): string {
  const shown =
    def.default === undefined || def.default === false || def.default === "" ? "" : String(def.default);
  const mention = shown && !def.description?.includes("default") ? ` (default: ${shown})` : "";
  return `${def.description ?? ""}${mention}`;
}

function examples(extras: HelpExtras): string {
  if (!extras.examples?.length) return "";
  const lines = extras.examples.map(([line, what]) => `  # ${what}\n  ${line}`);
  return `Examples:\n${lines.join("\n")}`;
}

/** Those of a remote program first, then ours by number. */
function exitCodeRows(extras: HelpExtras): Row[] {
  const usual = extras.remoteExit ? REMOTE_EXIT_CODES : EXIT_CODES;
  const rows: Row[] = Object.entries({ ...usual, ...extras.exitCodes });
  const ours = (row: Row) => /^\d+$/.test(row[0]);
  return [...rows.filter((row) => !ours(row)), ...rows.filter(ours)];
}

function table(title: string, rows: readonly (Row | Title)[], width: number): string {
  if (rows.length === 0) return "";
  const labels = rows.filter((row) => row.length > 1).map(([label]) => label.length);
  const column = Math.min(30, Math.max(...labels));
  const lines = rows.map(([label, text]) => {
    if (text === undefined) return ` ${label}:`;
    const indent = " ".repeat(column + 4);
    const body = wrap(text, Math.max(30, width - indent.length)).replaceAll("\n", `\n${indent}`);
    return label.length > column ? `  ${label}\n${indent}${body}` : `  ${label.padEnd(column)}  ${body}`;
  });
  return `${title}:\n${lines.join("\n")}`;
}

function wrap(text: string, width: number): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}
