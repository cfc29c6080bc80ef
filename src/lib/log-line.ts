/** What a line of the log may hold: one line, of a bounded length, with nothing in it that a terminal would obey. */

/** Characters of one line of the log, at most. */
export const LOG_LINE_CHARS = 2_000;

/** Line ends, controls (C0, DEL, C1), what changes the direction of text, and what is shown as nothing. */
const HARMFUL =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Cs}/gu;

/**
 * One line, cut to `LOG_LINE_CHARS`, with every harmful character as an escape: `\n`, `\x1b`, `\u202e`.
 * @param length of the whole, where `text` is its beginning
 */
export function oneLine(text: string, length = text.length): string {
  const rest = Math.max(text.length, length) - LOG_LINE_CHARS;
  const shown = rest > 0 ? text.slice(0, LOG_LINE_CHARS) : text;
  const safe = shown.replace(HARMFUL, escapeOf);
  return rest > 0 ? `${safe}… (${rest} more characters)` : safe;
}

// --- internal ---

const NAMES: Record<string, string | undefined> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escapeOf(character: string): string {
  const code = character.charCodeAt(0);
  const digits = code.toString(16);
  return (
    NAMES[character] ?? (code < 0x100 ? `\\x${digits.padStart(2, "0")}` : `\\u${digits.padStart(4, "0")}`)
  );
}
