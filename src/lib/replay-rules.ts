/**
 * The sequences of a terminal's past that may be replayed: those known to draw or to set a mode. A sequence that no table
 * here has may be a question to the terminal, and the answer would be typed into the shell.
 */

/** Control sequences, as prefix, intermediates and final. */
const CSI: ReadonlySet<string> = new Set([
  // Cursor, erasing, inserting, scrolling, tabs, repetition (ECMA-48)
  ..."@ABCDEFGHIJKLMPSTXZ`abdefg".split(""),
  // Modes, attributes, margins, saved cursor
  ...["h", "l", "m", "r", "s", "u", "?h", "?l", "?J", "?K", "?W", "!p", " q", '"q', ">m", ">n"],
  // Attribute stack, rectangles, columns
  ...["#{", "#}", "#p", "#q", "$r", "$t", "$v", "$x", "$z", "${", "*x", "'}", "'~", " @", " A"],
  // Kitty's keyboard flags, but for the question
  ...[">u", "<u", "=u"],
  // Titles on a stack: the other window operations move or report
  "t",
]);

/** Escape sequences: saved cursor, keypad, index, tab, shifts, reset, columns. */
const ESC: ReadonlySet<string> = new Set([..."78=>DEHMNOcno|}~69".split(""), "%G"]);
const CHARSET = /^[()*+\-./][!-/]?[0-~]$/;
const LINE_SIZE = /^#[34568]$/;

/** Titles, folder, hyperlink, prompt marks, text of another size: none of them is a question. */
const OSC_TEXT: ReadonlySet<number> = new Set([0, 1, 2, 7, 8, 66, 133]);
/** Colours; a `?` in place of one is a question. */
const OSC_COLOURS = /^(?:4|5|1\d|21|104|105|11\d)(?:;[^?]*)?$/;

/** Modes of keyboard and mouse, and modes that a terminal may answer at once: set once, at the end. */
const INPUT_MODES: ReadonlySet<string> = new Set(
  "1 9 25 66 1000 1001 1002 1003 1004 1005 1006 1007 1015 1016 2004 2031 2048 9001".split(" "),
);
/** Synchronized output, and another width of the window. */
const DROPPED_MODES: ReadonlySet<string> = new Set(["40", "2026"]);

/** @param parts prefix, parameters, intermediates, as in `CSI_PARTS` */
export function mayRepeatCsi(prefix: string, params: string, rest: string): boolean {
  if (!CSI.has(prefix + rest)) return false;
  if (rest === "t") return /^2[23](?:;\d*)*$/.test(params);
  // With several parameters it is the start of a selection by mouse.
  return rest !== "T" || !params.includes(";");
}

/** @param content what follows the ESC */
export function mayRepeatEscape(content: string): boolean {
  return ESC.has(content) || CHARSET.test(content) || LINE_SIZE.test(content);
}

/** @param content between OSC and its end */
export function mayRepeatOsc(content: string): boolean {
  const number = /^(\d{1,4})(?:;|$)/.exec(content)?.[1];
  return (number !== undefined && OSC_TEXT.has(Number(number))) || OSC_COLOURS.test(content);
}

/** Sixels; every other string of this kind asks, answers or sets keys. */
export function mayRepeatDcs(content: string): boolean {
  return /^[\d;]*q/.test(content);
}

/** When a private mode that is set in the past is set again. */
export function turnOfMode(mode: string): "in place" | "at the end" | "never" {
  const plain = mode.replace(/^0+(?=\d)/, "");
  if (DROPPED_MODES.has(plain)) return "never";
  return INPUT_MODES.has(plain) ? "at the end" : "in place";
}
