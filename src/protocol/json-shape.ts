/**
 * How much a JSON text would become, found without parsing it: 16 MB of `{}` are half a gigabyte of objects, and 16 MB
 * of `[` more than one of the parser's own.
 */

/** Containers within containers. What our messages hold is 5 deep. */
export const MAX_JSON_DEPTH = 64;

/** Values of one text: 5,000 agents with all that is known of each are a quarter of it. */
export const MAX_JSON_VALUES = 1_000_000;

/** Shorter texts can't be too much of anything that costs. */
const SMALL = 4_096;

const QUOTE = 0x22;
const COMMA = 0x2c;

/** What is too much about it, or null. A text that is no JSON is told nothing of: the parser does. */
export function excessOf(text: string): string | null {
  if (text.length < SMALL) return null;
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    if (code === COMMA) values += 1;
    else if (code === 0x5b || code === 0x7b) {
      values += 1;
      depth += 1;
      if (depth > MAX_JSON_DEPTH) return `more than ${MAX_JSON_DEPTH} levels`;
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
    if (values > MAX_JSON_VALUES) return `more than ${MAX_JSON_VALUES} values`;
  }
  return null;
}

// --- internal ---

/** Index of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text[at - 1 - slashes] === "\\") slashes += 1;
    if (slashes % 2 === 0) return at;
  }
  return text.length;
}
