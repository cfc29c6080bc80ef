/** The tree of commands: citty's definitions, with everything that may be lazy in them resolved. */
import type { ArgDef, ArgsDef, CommandMeta, Resolvable, SubCommandsDef } from "citty";

/** A command with whatever arguments. */
export type AnyCommand = Awaited<Exclude<SubCommandsDef[string], (...args: never[]) => unknown>>;

/** From the program down to the command that was named. */
export interface CommandPath {
  /** `["rexec", "agent", "start"]` */
  names: readonly string[];
  command: AnyCommand;
}

/** A sub-command under its main name. */
export interface Child {
  name: string;
  aliases: readonly string[];
  meta: CommandMeta;
  command: AnyCommand;
}

/** The sub-commands in their order. */
export async function childrenOf(command: AnyCommand): Promise<Child[]> {
  const children = (await resolve(command.subCommands)) ?? {};
  return Promise.all(Object.entries(children).map(([name, lazy]) => childOf(name, lazy)));
}

/** Whether it runs by itself; one with sub-commands may, too. */
export function canRun(command: AnyCommand): boolean {
  return command.run !== undefined;
}

/** Whether it has sub-commands. */
export async function isParent(command: AnyCommand): Promise<boolean> {
  return Object.keys((await resolve(command.subCommands)) ?? {}).length > 0;
}

/** The sub-command of that name or alias. Loads no more of the others than it has to. */
export async function findChild(command: AnyCommand, typed: string): Promise<Child | undefined> {
  const children = Object.entries((await resolve(command.subCommands)) ?? {});
  const named = children.filter(([name]) => name === typed);
  for (const [name, lazy] of named.length > 0 ? named : children) {
    const child = await childOf(name, lazy);
    if (name === typed || child.aliases.includes(typed)) return child;
  }
  return undefined;
}

/** Name, description and the like. */
export async function metaOf(command: AnyCommand): Promise<CommandMeta> {
  return (await resolve(command.meta)) ?? {};
}

/** The options and positionals of one command. */
export async function argsOf(command: AnyCommand): Promise<ArgsDef> {
  const args: ArgsDef | undefined = await resolve(command.args);
  return args ?? {};
}

/** Aliases of an option; positionals have none. */
export function aliasesOf(def: ArgDef): readonly string[] {
  return "alias" in def ? listOf(def.alias) : [];
}

// --- internal ---

async function childOf(name: string, lazy: Resolvable<AnyCommand>): Promise<Child> {
  const command = await resolve(lazy);
  const meta = await metaOf(command);
  return { name, aliases: listOf(meta.alias), meta, command };
}

async function resolve<T>(value: Resolvable<T>): Promise<T> {
  return isFunction(value) ? value() : value;
}

function isFunction<T>(value: Resolvable<T>): value is (() => T) | (() => Promise<T>) {
  return typeof value === "function";
}

function listOf(value: string | string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}
