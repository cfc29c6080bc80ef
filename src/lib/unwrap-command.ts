/** Reads a command line that `posix-script.ts` wrote: what the line does, in place of how it is spelled for any shell. */
import { fromBytes } from "./os-string.ts";
import { type ByteCommand, lineForAnyShell } from "./posix-script.ts";

/** Null for any other line: the command is written again from what was read, and has to be the same. */
export function unwrapCommand(line: string): ByteCommand | null {
  const [, format] = /^exec \/bin\/sh -c 'eval "\$\(printf "([^"']*)"\)"'$/.exec(line) ?? [];
  if (format === undefined) return null;
  const reader = new Reader(decoded(format));
  const command = reader.command();
  return command && lineForAnyShell(command) === line ? command : null;
}

// --- internal ---

function decoded(format: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < format.length; at += 1) {
    if (format[at] !== "\\") bytes.push(format.charCodeAt(at));
    else {
      bytes.push(Number.parseInt(format.slice(at + 1, at + 4), 8));
      at += 3;
    }
  }
  return fromBytes(Uint8Array.from(bytes));
}

class Reader {
  readonly #script: string;
  #at = 0;

  constructor(script: string) {
    this.#script = script;
  }

  command(): ByteCommand | null {
    const cwd = this.#after("cd ") ? this.#word() : undefined;
    if (cwd === null || (cwd !== undefined && !this.#after(" || exit 126\n"))) return null;
    const env: Record<string, string> = {};
    for (let name = this.#name(); name !== null; name = this.#name()) {
      const value = this.#word();
      if (value === null || !this.#after(`; export ${name}\n`)) return null;
      env[name] = value;
    }
    if (!this.#after("set --")) return null;
    const words: string[] = [];
    while (this.#after(" ")) {
      const word = this.#word();
      if (word === null) return null;
      words.push(word);
    }
    return { words, cwd, env };
  }

  #after(text: string): boolean {
    if (!this.#script.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #name(): string | null {
    const name = /([A-Za-z_]\w*)=/y;
    name.lastIndex = this.#at;
    const [whole, found] = name.exec(this.#script) ?? [];
    if (whole === undefined || found === undefined) return null;
    this.#at += whole.length;
    return found;
  }

  /** In single quotes, where `'\''` is one. */
  #word(): string | null {
    const parts: string[] = [];
    if (!this.#after("'")) return null;
    for (;;) {
      const end = this.#script.indexOf("'", this.#at);
      if (end < 0) return null;
      parts.push(this.#script.slice(this.#at, end));
      this.#at = end + 1;
      if (!this.#after("\\''")) return parts.join("'");
    }
  }
}
