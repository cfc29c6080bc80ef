/** Where a JSON text breaks: the runtime's own error does not say. Grammar: RFC 8259. */

const TOKEN =
  /\s*(?:([{}[\],:])|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y;

/** Offset of the first character that can't be there, or the text's length where it ends too early. */
export function jsonErrorOffset(text: string): number {
  const scanner = new Scanner(text);
  const end = scanner.value();
  return end === null ? scanner.failedAt : skipSpace(text, end);
}

/** Line number, from 1. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

// --- internal ---

class Scanner {
  failedAt = 0;
  readonly #text: string;
  #next = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The offset after a whole value, or null where there is none. */
  value(): number | null {
    const token = this.#token();
    if (token === "{") return this.#list("}", () => this.#member());
    if (token === "[") return this.#list("]", () => this.value() !== null);
    return token === null || "]},:".includes(token) ? this.#fail() : this.#next;
  }

  #member(): boolean {
    if (!this.#token()?.startsWith('"')) return this.#fail() !== null;
    if (this.#token() !== ":") return this.#fail() !== null;
    return this.value() !== null;
  }

  #list(close: "}" | "]", item: () => boolean): number | null {
    const start = this.#next;
    if (this.#token() === close) return this.#next;
    this.#next = start;
    for (;;) {
      if (!item()) return null;
      const token = this.#token();
      if (token === close) return this.#next;
      if (token !== ",") return this.#fail();
    }
  }

  #token(): string | null {
    this.failedAt = skipSpace(this.#text, this.#next);
    TOKEN.lastIndex = this.#next;
    const match = TOKEN.exec(this.#text);
    if (!match) return null;
    this.#next = TOKEN.lastIndex;
    return match[1] ?? match[2] ?? match[3] ?? null;
  }

  /** `failedAt` is where the last token began. */
  #fail(): null {
    return null;
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (" \t\r\n".includes(text[at] ?? "x")) at += 1;
  return at;
}
