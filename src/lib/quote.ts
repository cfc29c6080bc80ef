/** Words for a POSIX shell. */

/** One word that any POSIX shell reads back exactly as given. */
export function quoteWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command line of which each word arrives exactly as given. */
export function quoteWords(words: readonly string[]): string {
  return words.map(quoteWord).join(" ");
}
