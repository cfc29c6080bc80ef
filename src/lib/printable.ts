/**
 * Makes a peer's text safe for a terminal, a log or JSON. A peer chooses names, reasons and error texts, so each may move
 * the cursor, forge a second line or turn the reading order around. Every character without a look of its own is shown as
 * an escape.
 */

/** Default bound of one text, characters; longer ones end in `…`. */
export const LONGEST_SHOWN = 4_096;

/**
 * The text as one line. Control characters (C0, DEL, C1), line ends, marks of the reading order, characters without a shape
 * or for private use, and halves of surrogate pairs become `\n`, `\x1b`, `\u202e` or `\u{e0041}`. Letters of every script
 * and emoji stay as they are.
 * @param most characters that the result may have, the `…` of a cut one included
 */
export function printable(text: string, most = LONGEST_SHOWN): string {
  // Every character becomes one or more, so no more than this is needed.
  const looked = text.slice(0, most + 1);
  if (looked.length <= most && PLAIN.test(looked)) return looked;
  const shown = looked.replace(UNSEEN, (found) => (FORMED.test(found) ? found : escaped(found)));
  if (looked.length === text.length && shown.length <= most) return shown;
  // Neither half a pair nor half an escape stands in front of the mark.
  const kept = shown
    .slice(0, Math.max(0, most - 1))
    .replace(/[\ud800-\udbff]$|\\(?:x.?|u\w{0,3}|u\{\w*)?$/, "");
  return `${kept}…`;
}

/**
 * The value as JSON that is safe to print: the same value to every parser, with such characters as `\uXXXX`.
 * (`JSON.stringify` leaves DEL, C1 and the marks of the reading order as they are.)
 * @param indent spaces for each level; 0 writes one line
 */
export function printableJson(value: unknown, indent = 2): string {
  const json = JSON.stringify(value, null, indent) ?? "null";
  return json.replace(UNSEEN, (found) =>
    found === "\n" || FORMED.test(found) ? found : found.replace(/[\0-\uffff]/g, unitEscape),
  );
}

// --- internal ---

/** Texts that need no look: most are such, and the first use of UNSEEN costs 8 ms. */
const PLAIN = /^[ -~\u00a1-\u00ac\u00ae-\u024f✓✗…]*$/;

/**
 * Characters without a look of their own, and emoji, which may hold some of them (a joiner, a variation selector) and so
 * match first, as a whole. More than eight marks on one letter, more than any script needs, would cover the lines above.
 */
const UNSEEN =
  /\p{RGI_Emoji_ZWJ_Sequence}|\p{Emoji_Keycap_Sequence}|\p{Basic_Emoji}|(?<=\p{M}{8})\p{M}|[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/gv;
const FORMED = /^(?:\p{RGI_Emoji_ZWJ_Sequence}|\p{Emoji_Keycap_Sequence}|\p{Basic_Emoji})$/v;

const NAMED: Record<string, string | undefined> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (code > 0xffff) return `\\u{${hex}}`;
  return NAMED[character] ?? (code > 0xff ? `\\u${hex.padStart(4, "0")}` : `\\x${hex.padStart(2, "0")}`);
}

function unitEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
