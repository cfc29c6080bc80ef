/**
 * Checks the words of a command line against a command's definition before citty parses them: citty takes unknown
 * options, extra words and missing values silently (measured on 0.2.2). What it then gets has one form: `--name=value`.
 */
import type { ArgDef, ArgsDef } from "citty";
import { UsageError } from "../lib/errors.ts";
import { shownOf } from "../lib/os-string.ts";
import { closest } from "../lib/suggest.ts";
import { aliasesOf } from "./_tree.ts";

/** `--help` and `--version` are known to every command; a command may take their letters for itself. */
export const BUILTIN_ARGS: ArgsDef = {
  help: { type: "boolean", alias: "h", description: "Show this help" },
  version: { type: "boolean", alias: "v", description: "Show the version" },
};

/** One thing on the command line. */
export type Item =
  | { kind: "word"; word: string }
  | { kind: "option"; name: string; def: ArgDef; value: string | boolean };

/** What citty gets, and every value of each option for those that may be repeated. */
export interface CheckedArguments {
  rawArgs: string[];
  values: Readonly<Record<string, readonly string[]>>;
}

/** Marks a string option that may be given more than once; citty sees the values with commas between them. */
export function repeatable<const T extends ArgDef>(def: T): T {
  repeatables.add(def);
  return def;
}

/** Marks a string option whose value may be any bytes, as `fromBytes` gives them: elsewhere they are refused. */
export function takesBytes<const T extends ArgDef>(def: T): T {
  byteTakers.add(def);
  return def;
}

/**
 * Marks a string option whose empty value means something, or which says itself that it does not. Elsewhere an empty one
 * is refused: it comes from an unset variable in a script, and would have the default's effect (another server, say).
 */
export function mayBeEmpty<const T extends ArgDef>(def: T): T {
  emptyTakers.add(def);
  return def;
}

/** Marks the last positional of a command, which may be several words: `run` finds all positionals in `args._`. */
export function manyWords<const T extends ArgDef>(def: T): T {
  manyTakers.add(def);
  return def;
}

export function takesMany(def: ArgDef): boolean {
  return manyTakers.has(def);
}

/** Marks a positional behind the first one whose words may begin with a minus: `-old` is no option there. */
export function signedWords<const T extends ArgDef>(def: T): T {
  signedTakers.add(def);
  return def;
}

/**
 * Marks a positional that is required unless an option or a variable says the same. Its `required` is false, for citty.
 * @param otherwise the option's name, and the variable
 */
export function unlessGiven<const T extends ArgDef>(
  otherwise: { option: string; variable: string },
  def: T,
): T {
  replaceables.set(def, otherwise);
  return def;
}

/** True for a positional that is shown as required. */
export function isRequired(def: ArgDef): boolean {
  return replaceables.has(def) || (def.required !== false && def.default === undefined);
}

/**
 * Reads the item at `index`: an option with its value, a group of short ones, or a word.
 * @throws UsageError for an unknown option, a missing value, or a value given to a switch
 */
export function readItem(
  args: ArgsDef,
  words: readonly string[],
  index: number,
): { items: Item[]; next: number } {
  const word = words[index] ?? "";
  if (word.startsWith("--")) return readLong(args, words, index, word);
  if (word.startsWith("-") && word !== "-") return readShort(args, words, index, word);
  return { items: [{ kind: "word", word }], next: index + 1 };
}

/**
 * Reads a line, of which something may be missing: one that asks for help.
 * @param verbatim words that are positionals whatever they look like (those after `--`)
 * @throws UsageError for an unknown option, a missing or wrong value, and a word too many
 */
export function readWords(
  args: ArgsDef,
  words: readonly string[],
  verbatim: readonly string[],
  extraHint: string | undefined,
): { items: Item[]; positionals: string[] } {
  const items: Item[] = [];
  const positionals: string[] = [];
  for (let index = 0; index < words.length; ) {
    const read = isSigned(args, words[index], positionals.length)
      ? { items: [{ kind: "word", word: words[index] ?? "" } as const], next: index + 1 }
      : readItem({ ...BUILTIN_ARGS, ...args }, words, index);
    items.push(...read.items);
    positionals.push(...read.items.flatMap((item) => (item.kind === "word" ? [item.word] : [])));
    // In order: in `exec box ls -l` the first mistake is `ls`, not its `-l`.
    checkExtra(args, positionals, extraHint);
    index = read.next;
  }
  positionals.push(...verbatim);
  checkExtra(args, positionals, extraHint);
  return { items, positionals };
}

/**
 * Checks a whole line of a command that runs.
 * @param verbatim words that are positionals whatever they look like (those after `--`)
 * @throws UsageError
 */
export function checkArguments(
  args: ArgsDef,
  words: readonly string[],
  verbatim: readonly string[],
  extraHint: string | undefined,
): CheckedArguments {
  const { items, positionals } = readWords(args, words, verbatim, extraHint);
  for (const word of positionals) checkText("the argument", word);
  const values: Record<string, string[]> = {};
  const switches = new Map<string, boolean>();
  for (const item of items) {
    if (item.kind === "word") continue;
    checkValue(`--${kebab(item.name)}`, item.def, item.value);
    if (typeof item.value === "boolean") switches.set(item.name, item.value);
    else addValue(values, item.name, item.def, item.value);
  }
  checkPositionals(args, positionals, values);
  checkRequired(args, values);
  const rawArgs = [
    ...[...switches].map(([name, on]) => `--${name}=${on}`),
    ...Object.entries(values).map(([name, list]) => `--${name}=${list.join(",")}`),
    ...(positionals.length > 0 ? ["--", ...positionals] : []),
  ];
  return { rawArgs, values };
}

// --- internal ---

const repeatables = new WeakSet<ArgDef>();
const byteTakers = new WeakSet<ArgDef>();
const emptyTakers = new WeakSet<ArgDef>();
const replaceables = new WeakMap<ArgDef, { option: string; variable: string }>();
const manyTakers = new WeakSet<ArgDef>();
const signedTakers = new WeakSet<ArgDef>();

/** Whether the word is one of `signedWords`: `--long` options are still options. */
function isSigned(args: ArgsDef, word: string | undefined, place: number): boolean {
  if (place === 0 || word === undefined || !/^-[^-]/.test(word)) return false;
  return positionalsOf(args).some(([, def]) => signedTakers.has(def));
}

function checkValue(shown: string, def: ArgDef, value: string | boolean): void {
  if (value === "" && !emptyTakers.has(def)) {
    throw new UsageError(`${shown} is empty`, `give a value, or leave ${shown} out`);
  }
  if (!byteTakers.has(def)) checkText(shown, value);
}

/** Names of machines, files and servers are text to us: with U+FFFD in it another one would be meant. */
function checkText(what: string, value: string | boolean): void {
  if (typeof value === "boolean" || value.isWellFormed()) return;
  throw new UsageError(
    `${what} is not UTF-8: "${shownOf(value)}"`,
    "give a name that is, or a link with such a name",
  );
}

function readLong(args: ArgsDef, words: readonly string[], index: number, word: string) {
  const equals = word.indexOf("=");
  const name = word.slice(2, equals < 0 ? undefined : equals);
  const inline = equals < 0 ? undefined : word.slice(equals + 1);
  const found = findOption(args, name);
  if (found) return readValue(found, `--${name}`, inline, words, index);
  const negated = name.startsWith("no-") ? findOption(args, name.slice(3)) : undefined;
  if (negated?.def.type === "boolean" && inline === undefined) {
    return { items: [option(negated, false)], next: index + 1 };
  }
  throw unknownOption(args, `--${name}`);
}

/** `-n`, `-nq`, `-t a`, `-ta` and `-t=a`. */
function readShort(args: ArgsDef, words: readonly string[], index: number, word: string) {
  const items: Item[] = [];
  for (let at = 1; at < word.length; at += 1) {
    const letter = word[at] ?? "";
    const found = findOption(args, letter);
    if (!found) throw unknownOption(args, word.length === 2 ? word : `-${letter} (in ${word})`);
    const tail = word.slice(at + 1);
    if (found.def.type !== "boolean" || tail.startsWith("=")) {
      const inline = tail ? tail.replace(/^=/, "") : undefined;
      const read = readValue(found, `-${letter}`, inline, words, index);
      return { items: [...items, ...read.items], next: read.next };
    }
    items.push(option(found, true));
  }
  return { items, next: index + 1 };
}

interface Found {
  name: string;
  def: ArgDef;
}

function readValue(
  found: Found,
  shown: string,
  inline: string | undefined,
  words: readonly string[],
  index: number,
) {
  if (found.def.type === "boolean") {
    if (inline === undefined) return { items: [option(found, true)], next: index + 1 };
    const on = SWITCH_WORDS[inline.toLowerCase()];
    if (on === undefined) throw new UsageError(`${shown} is a switch and takes no value ("${inline}")`);
    return { items: [option(found, on)], next: index + 1 };
  }
  if (inline !== undefined) return { items: [option(found, checkChoice(found, inline))], next: index + 1 };
  const value = words[index + 1];
  const isOption = value?.startsWith("-") && value !== "-";
  if (value === undefined || isOption) {
    const hint = isOption ? `a value that begins with - is written ${shown}=${value}` : undefined;
    throw new UsageError(`${shown} needs a value`, hint);
  }
  return { items: [option(found, checkChoice(found, value))], next: index + 2 };
}

const SWITCH_WORDS: Record<string, boolean | undefined> = { true: true, false: false };

function option(found: Found, value: string | boolean): Item {
  return { kind: "option", name: found.name, def: found.def, value };
}

function findOption(args: ArgsDef, name: string): Found | undefined {
  for (const [key, def] of Object.entries(args)) {
    if (def.type === "positional") continue;
    if (key === name || kebab(key) === name || aliasesOf(def).includes(name)) return { name: key, def };
  }
  return undefined;
}

/** `caFile` as it is typed: `ca-file`. */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function unknownOption(args: ArgsDef, shown: string): UsageError {
  const names = Object.entries(args)
    .filter(([, def]) => def.type !== "positional")
    .flatMap(([name, def]) => [name, ...aliasesOf(def)].filter((known) => known.length > 1).map(kebab));
  const near = shown.startsWith("--") ? closest(shown.slice(2), names) : undefined;
  return new UsageError(`unknown option ${shown}`, near ? `did you mean --${near}?` : undefined);
}

function checkChoice(found: Found, value: string): string {
  const choices = found.def.type === "enum" ? (found.def.options ?? []) : [];
  if (choices.length === 0 || choices.includes(value)) return value;
  throw new UsageError(`--${found.name} cannot be "${value}"`, `it is one of: ${choices.join(", ")}`);
}

function positionalsOf(args: ArgsDef): [string, ArgDef][] {
  return Object.entries(args).filter(([, def]) => def.type === "positional");
}

function checkExtra(args: ArgsDef, given: readonly string[], extraHint: string | undefined): void {
  const places = positionalsOf(args);
  const last = places.at(-1)?.[1];
  if (last && manyTakers.has(last)) return;
  const extra = given[places.length];
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"`, extraHint);
}

function checkPositionals(
  args: ArgsDef,
  given: readonly string[],
  values: Readonly<Record<string, readonly string[]>>,
): void {
  for (const [index, [name, def]] of positionalsOf(args).entries()) {
    const otherwise = replaceables.get(def);
    const isReplaced = otherwise && (values[otherwise.option] || process.env[otherwise.variable]);
    if (isRequired(def) && !isReplaced && !given[index])
      throw new UsageError(`missing argument ${def.valueHint ?? name.toUpperCase()}`);
  }
}

function addValue(values: Record<string, string[]>, name: string, def: ArgDef, value: string): void {
  const list = values[name];
  if (!list) values[name] = [value];
  else if (repeatables.has(def)) list.push(value);
  else throw new UsageError(`--${kebab(name)} is given twice`);
}

function checkRequired(args: ArgsDef, values: Readonly<Record<string, unknown>>): void {
  for (const [name, def] of Object.entries(args)) {
    const needed = def.type === "string" || def.type === "enum";
    if (needed && def.required === true && def.default === undefined && !(name in values)) {
      throw new UsageError(`missing option --${kebab(name)}`);
    }
  }
}
