/** Words for the shell of another machine: a POSIX one, zsh or fish. */

/**
 * One word that the shell reads back exactly as given. A backslash stands in double quotes, since between single
 * ones fish takes it for an escape; `=word` is quoted, since zsh would look the word up.
 */
export function quoteWord(word: string): string {
  if (/^[\w@%+:,./-][\w@%+=:,./-]*$/.test(word)) return word;
  return inQuotes(word);
}

/** A command line of which each word arrives exactly as given: the first as the program, whatever it looks like. */
export function quoteWords(words: readonly string[]): string {
  const [program, ...rest] = words;
  if (program === undefined) return "";
  const special = RESERVED.has(program) || program.includes("=");
  return [special ? inQuotes(program) : quoteWord(program), ...rest.map(quoteWord)].join(" ");
}

// --- internal ---

function inQuotes(word: string): string {
  return `'${word.replace(/['\\]/g, (char) => (char === "'" ? `'\\''` : `'"\\\\"'`))}'`;
}

/** Words that mean something else than a program of that name, in one of the shells. */
const RESERVED = new Set([
  ...["if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "in"],
  ...[
    "function",
    "select",
    "time",
    "coproc",
    "begin",
    "end",
    "not",
    "and",
    "or",
    "repeat",
    "foreach",
    "switch",
  ],
]);
