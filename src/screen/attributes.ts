/** Looks of cells and pens, and the sequences that set a terminal's pen. */
import type { Extended } from "./xterm-core.ts";

/** Colours and styles as xterm.js packs them: a colour and its kind in the low 26 bits, styles above. */
export interface Look {
  fg: number;
  bg: number;
  /** Underline's colour, and its style from bit 26 on; 0 for a plain one. */
  underline: number;
  /** A link's number, or 0. */
  link: number;
}

export const PLAIN: Look = { fg: 0, bg: 0, underline: 0, link: 0 };

const KIND = 0x3000000;
const INDEXED_16 = 0x1000000;
const INDEXED_256 = 0x2000000;
/** Kind and value of a colour. */
export const COLOUR = 0x3ffffff;
const UNDERLINE = 0x10000000;
const STYLE = 0x1c000000;
const PLAIN_LINE = 0x4000000;
const HAS_EXTENDED = 0x10000000;
const PROTECTED = 0x20000000;
/** Bits of the foreground and the background that stand for a style, and its number in SGR. */
const FG_STYLES = [
  [0x8000000, 1],
  [0x20000000, 5],
  [0x4000000, 7],
  [0x40000000, 8],
  [0x80000000, 9],
] as const;
const BG_STYLES = [
  [0x8000000, 2],
  [0x4000000, 3],
  [0x40000000, 53],
] as const;

/** The look of a cell or pen. @param extended counts only where `bg` has its flag */
export function lookOf(fg: number, bg: number, extended: Extended): Look {
  const extra = (bg & HAS_EXTENDED) !== 0;
  return {
    // Unsigned like the values of cells: the pen's may be negative.
    fg: fg >>> 0,
    bg: (bg & ~HAS_EXTENDED) >>> 0,
    underline: extra && fg & UNDERLINE ? underlineOf(extended) : 0,
    link: extra ? extended.urlId : 0,
  };
}

/** Style and colour of the underline, even where it is off. A plain line has style 0. */
export function underlineOf({ _ext: packed }: Extended): number {
  const style = packed & STYLE;
  return (packed & COLOUR) | (style === PLAIN_LINE ? 0 : style);
}

export function sameLook(a: Look, b: Look): boolean {
  return a.fg === b.fg && a.bg === b.bg && a.underline === b.underline && a.link === b.link;
}

/** True for a background colour alone, as erasing leaves it. */
export function isErased({ fg, bg, link }: Look): boolean {
  return fg === 0 && (bg & ~COLOUR) === 0 && link === 0;
}

/** The sequence from the pen `from` to the pen `to`, without links. */
export function penTo(to: Look, from: Look): string {
  const numbers = ["0"];
  for (const [bit, number] of FG_STYLES) if (to.fg & bit) numbers.push(String(number));
  for (const [bit, number] of BG_STYLES) if (to.bg & bit) numbers.push(String(number));
  const style = (to.underline >>> 26) & 7;
  if (to.fg & UNDERLINE) numbers.push(style > 1 ? `4:${style}` : "4");
  numbers.push(...colour(to.fg, 30, 90, 38), ...colour(to.bg, 40, 100, 48), ...underlineColour(to.underline));
  const guard = to.bg & PROTECTED ? '\x1b[1"q' : from.bg & PROTECTED ? '\x1b[0"q' : "";
  return `\x1b[${numbers.length === 1 ? "" : numbers.join(";")}m${guard}`;
}

// --- internal ---

function colour(packed: number, low: number, high: number, extended: number): string[] {
  const value = packed & 0xffffff;
  switch (packed & KIND) {
    case 0:
      return [];
    case INDEXED_16:
      return [String((value & 0xff) < 8 ? low + (value & 0xff) : high + (value & 7))];
    case INDEXED_256:
      return [`${extended};5;${value & 0xff}`];
    default:
      return [`${extended};2;${value >>> 16};${(value >>> 8) & 0xff};${value & 0xff}`];
  }
}

/** With colons only: a terminal that does not know it skips it as a whole. */
function underlineColour(packed: number): string[] {
  const value = packed & 0xffffff;
  if ((packed & KIND) === 0) return [];
  if ((packed & KIND) !== KIND) return [`58:5:${value & 0xff}`];
  return [`58:2::${value >>> 16}:${(value >>> 8) & 0xff}:${value & 0xff}`];
}
