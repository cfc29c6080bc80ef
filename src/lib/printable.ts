/**
 * Text of others where it becomes ours: on a terminal, in a log, in JSON. A peer chooses names, reasons and error
 * texts, so each may hold what moves the cursor, forges a second line or turns the reading order around. Everything
 * that a reader would not see as itself is shown as an escape, and so cannot act.
 */

/** Characters of one text that are shown; longer ones end in `…`. */
export const LONGEST_SHOWN = 4_096;

/**
 * One line that shows what the text is made of: control characters (C0, DEL, C1), line ends, what steers the reading
 * order, characters without a shape or for private use, and halves of surrogate pairs stand as `\n`, `\x1b`, `\u202e`
 * or `\u{e0041}`. Letters of every script and emoji stay as they are.
 * @param most characters that the result may have, the `…` of a cut one included
 */
export function printable(text: string, most = LONGEST_SHOWN): string {
  // A text far too long is not looked through as a whole; every character of it shows as one or more.
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
 * The value as JSON in which nothing acts on a terminal that it is printed to: the same value to every parser, with
 * such characters as `\uXXXX`. (`JSON.stringify` leaves DEL, C1 and the marks of the reading order as they are.)
 * @param indent spaces for each level; 0 writes one line
 */
export function printableJson(value: unknown, indent = 2): string {
  const json = JSON.stringify(value, null, indent) ?? "null";
  return json.replace(UNSEEN, (found) =>
    found === "\n" || FORMED.test(found) ? found : found.replace(/[\0-\uffff]/g, unitEscape),
  );
}

// --- internal ---

/** Letters of the West and marks of ours: all of them seen. Most texts are such, and the first use of UNSEEN costs 8 ms. */
const PLAIN = /^[ -~\u00a1-\u00ac\u00ae-\u024f✓✗…]*$/;

/**
 * What has no look of its own, and emoji, which may hold some of it (a joiner, a variation selector): those are found
 * first, as a whole. Of marks that pile up on one letter, and over the lines above it, eight are more than any
 * script needs.
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
