/**
 * A script of /bin/sh as one line that every shell passes on untouched, csh and its history of `!` too: between single
 * quotes there is nothing but letters, digits, blanks and a few signs, the rest is octal. What is in it may be any bytes.
 */
import { toBytes } from "./os-string.ts";

/** What may run where. Each string may be one of `fromBytes`. */
export interface ByteCommand {
  words: readonly string[];
  cwd?: string | undefined;
  env?: Readonly<Record<string, string>> | undefined;
}

/**
 * A line for any shell's `-c` by which the words are run by /bin/sh, none of them looked at again. The first is looked
 * for in PATH before the builtins, whose `echo` differs from shell to shell.
 */
export function lineForAnyShell({ words, cwd, env = {} }: ByteCommand): string {
  const steps = [
    ...(cwd === undefined ? [] : [`cd ${quoted(cwd)} || exit 126`]),
    ...exportsOf(env),
    `set -- ${words.map(quoted).join(" ")}`,
    RUN,
  ];
  return `exec /bin/sh -c '${evaluated(steps.join("\n"))}'`;
}

/** A program, its arguments and its environment; a value of that may be one of `fromBytes`. */
export interface Program {
  file: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
}

/** The same for a runtime that hands on nothing but text: /bin/sh sets what is none, and becomes the program. */
export function asText({ file, args, env }: Program): Program {
  const odd = Object.entries(env).filter(([, value]) => !value.isWellFormed());
  if (odd.length === 0) return { file, args, env };
  const script = [...exportsOf(Object.fromEntries(odd)), 'exec "$@"'].join("\n");
  const rest = Object.fromEntries(Object.entries(env).filter(([, value]) => value.isWellFormed()));
  return { file: "/bin/sh", args: ["-c", evaluated(script), "sh", file, ...args], env: rest };
}

// --- internal ---

/** A builtin where there is no program of that name: `exec` knows programs only. */
const RUN = [
  'case "$1" in */*) exec "$@" ;; esac',
  "IFS=:",
  "set -f",
  "for __rexec in $PATH; do",
  '[ -n "$__rexec" ] || __rexec=.',
  'if [ -f "$__rexec/$1" ] && [ -x "$__rexec/$1" ]; then exec "$@"; fi',
  "done",
  "set +f",
  "unset IFS __rexec",
  '"$@"',
].join("\n");

function exportsOf(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${quoted(value)}; export ${name}`);
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Octal for printf(1) of all but what is itself in every shell's quotes and in a format. */
function evaluated(script: string): string {
  let format = "";
  for (const byte of toBytes(script)) {
    const sign = String.fromCharCode(byte);
    format += /[\w @+:,./=;-]/.test(sign) ? sign : `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return `eval "$(printf "${format}")"`;
}
