/** One line to stderr. Not `console.error`: Bun paints that red at a terminal, and most lines are no errors. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
