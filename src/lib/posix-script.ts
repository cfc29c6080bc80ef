/**
 * A script for /bin/sh as one line that every shell passes on unchanged, even csh with its history of `!`: between single
 * quotes stand only letters, digits, blanks and a few signs, and the rest is octal. The script may hold any bytes.
 */
import { toBytes } from "./os-string.ts";

/** A command with its folder and environment. Each string may be one of `fromBytes`. */
export interface ByteCommand {
  words: readonly string[];
  cwd?: string | undefined;
  env?: Readonly<Record<string, string>> | undefined;
}

/**
 * A line for any shell's `-c` that makes /bin/sh run the words literally. The first word is searched in PATH before the
 * builtins, whose `echo` differs from shell to shell.
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

/** The same program for a runtime that passes on only text: /bin/sh sets the rest, then becomes the program. */
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

/** As a format of printf(1): octal, except for characters that are literal in every shell's quotes and in a format. */
function evaluated(script: string): string {
  let format = "";
  for (const byte of toBytes(script)) {
    const sign = String.fromCharCode(byte);
    format += /[\w @+:,./=;-]/.test(sign) ? sign : `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return `eval "$(printf "${format}")"`;
}
