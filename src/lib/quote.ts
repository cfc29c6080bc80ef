/** Quotes words for a machine's shell: any POSIX one, zsh or fish. */

import { type ByteCommand, lineForAnyShell } from "./posix-script.ts";

/**
 * One word that the shell reads back exactly as given. Quotes and backslashes stand outside of the quotes: within
 * them fish, unlike the others, takes a backslash for an escape. A word that begins with `=` is a path to zsh.
 */
export function quoteWord(word: string): string {
  return /^[\w@%+:,./-][\w@%+=:,./-]*$/.test(word) ? word : inQuotes(word);
}

/**
 * A command line of which each word arrives exactly as given. The first is the program even where, bare, it would be
 * a word of the shell's language (`time`, `if`), an assignment (`A=b`) or, right behind `-c`, an option (`-v`).
 */
export function quoteWords(words: readonly string[]): string {
  const [program, ...rest] = words;
  if (program === undefined) return "";
  const special = RESERVED.has(program) || program.includes("=") || program.startsWith("-");
  return [special ? inQuotes(program) : quoteWord(program), ...rest.map(quoteWord)].join(" ");
}

/**
 * The same for any login shell and any bytes (`fromBytes`): csh expands `!` and line ends within quotes too, and the wire
 * carries only UTF-8. Plain words stay readable.
 */
export function commandLine({ words, cwd, env }: ByteCommand): string {
  const isPlain = words.every((word) => word.isWellFormed() && !/[!\p{Cc}]/u.test(word));
  return isPlain && cwd === undefined && env === undefined
    ? quoteWords(words)
    : lineForAnyShell({ words, cwd, env });
}

// --- internal ---

function inQuotes(word: string): string {
  return `'${word.replaceAll(/['\\]/g, "'\\$&'")}'`;
}

/** Reserved in at least one of the shells. */
const RESERVED = new Set([
  ...[
    "if",
    "then",
    "elif",
    "else",
    "fi",
    "for",
    "while",
    "until",
    "do",
    "done",
    "case",
    "esac",
    "in",
    "time",
  ],
  ...["function", "select", "coproc", "begin", "end", "not", "and", "or", "repeat", "foreach", "switch"],
]);
