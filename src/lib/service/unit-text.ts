/** Text in systemd's files: what is quoted and escaped there (systemd.unit(5), systemd.service(5)). */

/** One word of a command line in a unit: nothing in it is expanded. */
export function unitWord(word: string): string {
  return quoted(unitText(word).replaceAll("$", "$$$$"));
}

/** A path in a list of paths. */
export function unitPath(path: string): string {
  return quoted(unitText(path));
}

/** A whole command line. */
export function unitCommand([program = "", ...args]: readonly string[]): string {
  // In the first word `$` stands for itself.
  return [unitPath(program), ...args.map(unitWord)].join(" ");
}

/** Text in which systemd's specifiers stand for themselves. A line has no end in it (the caller checks paths). */
export function unitText(text: string): string {
  return text.replaceAll("%", "%%").replaceAll(/[\r\n]/g, " ");
}

// --- internal ---

function quoted(text: string): string {
  return /^[\w@+:,./%=$-]+$/.test(text) ? text : `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}
