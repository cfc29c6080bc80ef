/** Words for the shell that a machine has: any POSIX one, zsh or fish. */

/**
 * One word that the shell reads back exactly as given. Quotes and backslashes stand outside of the quotes: within
 * them fish, unlike the others, takes a backslash for an escape. A word that begins with `=` is a path to zsh.
 */
export function quoteWord(word: string): string {
  if (/^[\w@%+:,./-][\w@%+=:,./-]*$/.test(word)) return word;
  return `'${word.replaceAll(/['\\]/g, "'\\$&'")}'`;
}

/** A command line of which each word arrives exactly as given. */
export function quoteWords(words: readonly string[]): string {
  return words.map(quoteWord).join(" ");
}
