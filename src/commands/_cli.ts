/**
 * How both programs read their command line, report errors and end. citty parses and runs; everything around it that
 * it gets wrong for us (`--`, unknown options, extra words, exit codes) is done here.
 */
import type { ArgsDef, defineCommand as Define } from "citty";
import { ExitCode, messageOf, OWN_FAILURE, RexecError, UsageError } from "../lib/errors.ts";
import { isTerminal } from "../lib/is-terminal.ts";
import { shownOf } from "../lib/os-string.ts";
import { ownArguments, ownOddVariables } from "../lib/own-bytes.ts";
import { printable } from "../lib/printable.ts";
import { redact } from "../lib/redact.ts";
import { closest } from "../lib/suggest.ts";
import { COMMIT, VERSION } from "../lib/version.ts";
import { BUILTIN_ARGS, checkArguments, readItem, readWords } from "./_arguments.ts";
import { extrasOf, helpText, usageLine } from "./_help.ts";
import { colourful, complain, flushAndExit, writeErr, writeOut } from "./_output.ts";
import {
  type AnyCommand,
  aliasesOf,
  argsOf,
  type CommandPath,
  canRun,
  childrenOf,
  findChild,
  isParent,
  metaOf,
} from "./_tree.ts";

export { manyWords, mayBeEmpty, repeatable, signedWords, takesBytes, unlessGiven } from "./_arguments.ts";
export { withHelp } from "./_help.ts";
export { announce, say, writeErr, writeJson, writeOut } from "./_output.ts";

/** As citty's, which gives the definition back and is there for its type; citty itself is loaded by what runs. */
export const defineCommand: typeof Define = (definition) => definition;

/** Options of every agent command; before or after the sub-command. */
export const globalArgs = {
  config: {
    type: "string",
    alias: "c",
    valueHint: "FILE",
    description: "Agent config file (REXEC_CONFIG; default /etc/rexec/agent.yaml, then ~/.rexec/agent.json)",
  },
} as const satisfies ArgsDef;

/** What a command's `run` finds in `data`. */
export interface CommandData {
  /** The words after `--`, as they were given. */
  rest: string[];
  /** Every value of each string option, for those marked `repeatable`. */
  values: Readonly<Record<string, readonly string[]>>;
  /** The program itself, with its whole tree of commands. */
  program: CommandPath;
}

/**
 * Runs a program and ends the process. A command's `run` may return its exit code (a number); otherwise it is 0, or
 * the `exitCode` of the error it threw. Results go to stdout, everything said to a person to stderr.
 */
export async function runProgram(
  main: AnyCommand,
  argv: readonly string[] = ownArguments(process.argv.slice(2)),
): Promise<never> {
  const name = (await metaOf(main)).name ?? "rexec";
  program = name;
  let path: CommandPath = { names: [name], command: main };
  try {
    checkEnvironment();
    const call = await resolveCall(path, argv, (deeper) => {
      path = deeper;
    });
    return await flushAndExit(await perform(call, name));
  } catch (error) {
    await report(error, path);
    return flushAndExit(exitCodeFor(error, path.command));
  }
}

/** `rexec-agent`, or `rexec`, which has the agent's commands under the word `agent`. */
export function programName(): string {
  return program;
}

// --- internal ---

/** Codes from 1 to 4 are the remote program's where it has any. */
function exitCodeFor(error: unknown, command: AnyCommand): number {
  const code = error instanceof RexecError ? error.exitCode : ExitCode.failed;
  const isOurs = code !== ExitCode.usage && Object.values<number>(ExitCode).includes(code);
  return isOurs && extrasOf(command).remoteExit ? OWN_FAILURE : code;
}

let program = "rexec";

type Call =
  | { kind: "help"; path: CommandPath }
  | { kind: "nothing"; path: CommandPath }
  | { kind: "version" }
  | { kind: "run"; command: AnyCommand; rawArgs: string[]; data: CommandData };

async function perform(call: Call, program: string): Promise<number> {
  switch (call.kind) {
    case "version":
      await writeOut(`${program} ${VERSION} (${COMMIT})\n`);
      return 0;
    case "help":
      await writeOut(await helpText(call.path, widthOf(1)));
      return 0;
    case "nothing":
      await writeErr(await helpText(call.path, widthOf(2)));
      return 2;
    case "run": {
      const { runCommand } = await import("citty");
      const { result } = await runCommand(call.command, { rawArgs: call.rawArgs, data: call.data });
      return typeof result === "number" ? result : 0;
    }
  }
}

/**
 * Walks down to the command that is meant and checks its words.
 * @param reached told of each level, so that an error can show the usage of the right one
 */
async function resolveCall(
  root: CommandPath,
  argv: readonly string[],
  reached: (path: CommandPath) => void,
): Promise<Call> {
  const split = argv.indexOf("--");
  const rest = split < 0 ? [] : argv.slice(split + 1);
  const found = await walk(root, split < 0 ? argv : argv.slice(0, split), reached);
  const { path, words } = found;
  const args = await argsOf(path.command);
  const takesRest = extrasOf(path.command).rest;
  const verbatim = takesRest ? [] : rest;
  const hint = takesRest && split < 0 ? `write -- in front of it: ${await usageLine(path)}` : undefined;
  // Whatever else is wrong with the line: who asks for help needs it.
  if (asksFor("help", args, words)) return { kind: "help", path };
  if (found.help || found.version || asksFor("version", args, words)) {
    readWords(args, words, verbatim, hint);
    return found.help ? { kind: "help", path } : { kind: "version" };
  }
  if ((await isParent(path.command)) && !canRun(path.command)) {
    if (rest.length > 0) throw new UsageError(`no command before --`);
    return { kind: "nothing", path };
  }
  const { rawArgs, values } = checkArguments(args, words, verbatim, hint);
  return { kind: "run", command: path.command, rawArgs, data: { rest: [...rest], values, program: root } };
}

interface Found {
  path: CommandPath;
  /** Options in front of the command's name and everything after it. */
  words: readonly string[];
  help: boolean;
  version: boolean;
}

async function walk(
  root: CommandPath,
  argv: readonly string[],
  reached: (path: CommandPath) => void,
): Promise<Found> {
  let path = root;
  const front: string[] = [];
  let words = argv;
  let help = false;
  for (;;) {
    if (!(await isParent(path.command))) break;
    const index = await nextWord(path, words);
    const typed = words[index];
    if (typed === undefined) break;
    front.push(...words.slice(0, index));
    words = words.slice(index + 1);
    if (typed === "help") {
      help = true;
      continue;
    }
    if (typed === "version" && path === root) {
      return { path, words: [...front, ...words], help, version: true };
    }
    const child = await findChild(path.command, typed);
    if (!child) throw await unknownCommand(path, typed);
    path = { names: [...path.names, child.name], command: child.command };
    reached(path);
  }
  return { path, words: [...front, ...words], help, version: false };
}

/** Index of the first word that is no option and no option's value. */
async function nextWord(path: CommandPath, words: readonly string[]): Promise<number> {
  const args = { ...BUILTIN_ARGS, ...(await argsOf(path.command)) };
  let index = 0;
  while (index < words.length) {
    const read = readItem(args, words, index);
    if (read.items[0]?.kind === "word") return index;
    index = read.next;
  }
  return index;
}

async function unknownCommand(path: CommandPath, typed: string): Promise<UsageError> {
  const children = await childrenOf(path.command);
  const known = children
    .filter((child) => !child.meta.hidden)
    .flatMap((child) => [child.name, ...child.aliases]);
  const program = path.names.join(" ");
  // The whole program has one version: `rexec agent version` is `rexec version`.
  if (typed === "version")
    return new UsageError(`unknown command "${typed}"`, `did you mean "${programName()} version"?`);
  const near = closest(typed, [...known, "help", ...(path.names.length === 1 ? ["version"] : [])]);
  return new UsageError(
    `unknown command "${typed}"`,
    near ? `did you mean "${program} ${near}"?` : `${program} --help lists the commands`,
  );
}

/** True where `--help` (or its letter, unless the command uses that for something else) is among the words. */
function asksFor(flag: "help" | "version", args: ArgsDef, words: readonly string[]): boolean {
  const letter = flag === "help" ? "h" : "v";
  const names = Object.entries(args).flatMap(([name, def]) => [name, ...aliasesOf(def)]);
  // `update --version 1.2.3` asks for that version, not for ours.
  if (names.includes(flag)) return false;
  return words.includes(`--${flag}`) || (!names.includes(letter) && words.includes(`-${letter}`));
}

async function report(error: unknown, path: CommandPath): Promise<void> {
  const [red, dim, reset] = colourful(2) ? ["\x1b[31m", "\x1b[2m", "\x1b[0m"] : ["", "", ""];
  const lines = [
    `${red}error:${reset} ${shown(error instanceof RexecError ? error.message : messageOf(error))}`,
  ];
  if (error instanceof RexecError && error.hint) lines.push(`${dim}hint:${reset} ${shown(error.hint)}`);
  if (error instanceof UsageError) {
    lines.push(`usage: ${await usageLine(path)}`, `       ${path.names.join(" ")} --help explains it`);
  }
  if (process.env.REXEC_LOG === "debug") lines.push(...traceOf(error));
  await complain(`${lines.join("\n")}\n`);
}

/** The runtime would take another file, host or token for what is not UTF-8. @throws UsageError */
function checkEnvironment(): void {
  const odd = [...ownOddVariables(process.env).keys()].find((name) => /^(HOME|REXEC_.*)$/.test(name));
  if (odd) throw new UsageError(`the variable ${odd} is not valid UTF-8`, "set it to a value that is");
}

/** One line: servers, agents and machines have their say in errors. */
function shown(text: string): string {
  return printable(redact(shownOf(text)));
}

/** Without the source text that Bun.inspect adds: in a compiled program that is screenfuls of minified lines. */
function traceOf(error: unknown, word = ""): string[] {
  if (!(error instanceof Error)) return [shown(word + Bun.inspect(error, { colors: false }))];
  const { name, message, stack = "" } = error;
  const head = `${name}: ${message}`;
  // What a message makes of itself behind a line end is no frame.
  const frames = stack.startsWith(head) ? stack.slice(head.length).split("\n").filter(Boolean) : [];
  const own = [shown(word + head), ...frames.map(shown)];
  return error.cause === undefined ? own : [...own, ...traceOf(error.cause, "caused by ")];
}

/** Without a terminal the runtime's streams, 8 ms, are not asked for. */
function widthOf(fd: 1 | 2): number {
  if (!isTerminal(fd)) return 80;
  return Math.min((fd === 1 ? process.stdout : process.stderr).columns || 80, 100);
}
