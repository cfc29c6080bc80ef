/** Limits of a peer's JSON, checked before it is parsed. */
export interface JsonLimits {
  /** UTF-16 units of the text. */
  length: number;
  /** Objects and arrays inside one another. */
  depth: number;
  /** Values: members of objects and elements of arrays. */
  values: number;
}

/** Of a socket's message: a list of sessions has most values, and 1 MiB holds about 3,500 sessions. */
export const MESSAGE_JSON: Pick<JsonLimits, "depth" | "values"> = { depth: 16, values: 64 * 1024 };
/** Of an answer of the API: a list of some ten thousand agents. */
export const ANSWER_JSON: JsonLimits = { length: 16 * 1024 * 1024, depth: 32, values: 1_000_000 };

/** Describes what exceeds the limits, or null. Looks once at each character outside of strings, and parses nothing. */
export function excessOf(text: string, { length, depth, values }: JsonLimits): string | null {
  if (text.length > length) return `${text.length} characters, where ${length} are allowed`;
  // No text this short can break them.
  if (text.length < Math.min(depth, values)) return null;
  let level = 0;
  let seen = 1;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = stringEnd(text, at);
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        level += 1;
        seen += 1;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        level -= 1;
        break;
      case COMMA:
        seen += 1;
    }
    if (level > depth) return `values more than ${depth} deep`;
    if (seen > values) return `more than ${values} values`;
  }
  return null;
}

// --- internal ---

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Where the string that begins here ends; one without an end is the parser's to refuse. */
function stringEnd(text: string, start: number): number {
  for (let at = start; ; ) {
    at = text.indexOf('"', at + 1);
    if (at < 0) return text.length;
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return at;
  }
}
