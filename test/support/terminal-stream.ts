/** Random output of programs that use all that a terminal has, with resizes in between. */
import type { Prng } from "../chaos/prng.ts";

export interface StreamSize {
  cols: number;
  rows: number;
}

/** What a session does next: it prints, or has another size. */
export type StreamPart = { bytes: Uint8Array } | { size: StreamSize };

const TEXT = ["a", "hello ", "world", "x".repeat(30), "$ ", "qqk", "#", "~|{}", "1234567890"];
const WIDE = [
  "漢",
  "字漢",
  "한",
  "🙂",
  "👍🏽",
  "👩‍👩‍👧",
  "❤️",
  "🇩🇪",
  "🇩",
  "e\u0301",
  "ä",
  "\u0301",
  "\u200d",
  "क्षि",
  "1️⃣",
];
const CONTROLS = ["\r\n", "\n", "\r", "\b", "\t", "\x0e", "\x0f", "\x07", "\v", "\x7f", "\0", "\xad"];
const MODES = [
  1, 5, 6, 7, 12, 25, 45, 47, 66, 69, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1048, 1049,
];
const NEW_MODES = [2004, 2026, 2027, 2031, 2048, 9, 31337];
const COUNTED = [..."@ABCDEFGHILMPSTXZ^`abdef"];
const STRINGS = [
  "\x1b]0;a title\x07",
  "\x1b]2;other\x1b\\",
  "\x1b]1;icon\x07",
  "\x1b]4;1;#ff0000;2;rgb:00/11/22\x07",
  "\x1b]10;red\x1b\\",
  "\x1b]11;#123456\x07",
  "\x1b]12;blue\x07",
  "\x1b]104\x07",
  "\x1b]104;1\x07",
  "\x1b]110\x07",
  "\x1b]8;;https://example.com/a\x07",
  "\x1b]8;id=1;https://example.com/b\x1b\\",
  "\x1b]8;;\x07",
  "\x1b]52;c;aGVsbG8=\x07",
  "\x1b]133;A\x07",
  "\x1bP1$r0m\x1b\\",
  "\x1bPq#0;2;0;0;0~~\x1b\\",
  "\x1b_Gnothing\x1b\\",
  "\x1b^private\x1b\\",
  "\x1b[22;2t",
  "\x1b[23;2t",
];
const ESCAPES = [
  "7",
  "8",
  "7",
  "8",
  "D",
  "E",
  "M",
  "H",
  "=",
  ">",
  "(0",
  "(B",
  "(A",
  ")0",
  "*0",
  "+B",
  "n",
  "o",
  "#8",
];
const RESETS = ["\x1bc", "\x1b[!p"];
const KEYS = [
  "[>1u",
  "[>5u",
  "[<u",
  "[<2u",
  "[=3u",
  "[=1;2u",
  "[>4;2m",
  "[>4m",
  "[4h",
  "[4l",
  "[20h",
  "[20l",
];
const STYLES = ["[2 q", "[5 q", "[0 q", '[1"q', '[0"q', "[?J", "[?K", "[3g", "[g"];

/** xterm.js keeps tab stops behind the last column, which show when there are more columns: never both. */
const TAB_STOPS = /^\x1b(?:H|\[3?g)$/;
/** It restores half of a pen that has a link, and of character sets those that there were: never both. */
const PEN = /^(?:\x1b\]8|\x1b[()*+no]|\x0e)/;
const RESTORE = /^\x1b(?:8|\[u|\[\?104[89]l)$/;

/** @param parts about as many pieces of output */
export function randomStream(random: Prng, parts: number): { size: StreamSize; parts: StreamPart[] } {
  const list: StreamPart[] = [];
  const [resizes, pens] = [below(random, 2) === 0, below(random, 2) === 0];
  for (let index = 0; index < parts; index += 1) {
    if (resizes && below(random, 12) === 0) list.push({ size: randomSize(random) });
    else {
      const text = piece(random);
      list.push({
        bytes: Buffer.from(
          (resizes && TAB_STOPS.test(text)) || (pens && RESTORE.test(text)) || (!pens && PEN.test(text))
            ? "\t"
            : text,
        ),
      });
    }
  }
  return { size: randomSize(random), parts: list };
}

// --- internal ---

function below(random: Prng, limit: number): number {
  return random.whole(0, limit - 1);
}

function randomSize(random: Prng): StreamSize {
  return { cols: 4 + below(random, 22), rows: 2 + below(random, 8) };
}

function piece(random: Prng): string {
  const pick = (from: readonly string[] | readonly number[]) => String(from[below(random, from.length)]);
  const number = () => pick(["", "", "1", "2", "3", "5", "8", "13", "40", "0"]);
  switch (below(random, 18)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return pick(TEXT);
    case 4:
    case 5:
      return pick(WIDE);
    case 6:
    case 7:
      return pick(CONTROLS);
    case 8:
      return `\x1b[${number()};${number()}${pick(["H", "f", "r"])}`;
    case 9:
    case 10:
      return `\x1b[${number()}${pick(COUNTED)}`;
    case 11:
      return `\x1b[${pick(["", "0", "1", "2", "3"])}${pick(["J", "K"])}`;
    case 12:
    case 13:
      return sgr(random, pick);
    case 14:
      return `\x1b[?${pick(below(random, 3) === 0 ? NEW_MODES : MODES)}${pick(["h", "l"])}`;
    case 15:
      return pick(STRINGS);
    case 16:
      return `\x1b${pick(ESCAPES)}`;
    default:
      if (below(random, 12) === 0) return pick(RESETS);
      return `\x1b${pick(below(random, 2) ? KEYS : STYLES)}`;
  }
}

function sgr(random: Prng, pick: (from: readonly string[]) => string): string {
  const one = () =>
    pick([
      "0",
      String(below(random, 10)),
      String(21 + below(random, 9)),
      String(30 + below(random, 8)),
      String(40 + below(random, 8)),
      `38;5;${below(random, 256)}`,
      `48;2;${below(random, 256)};1;2`,
      "4:3",
      "4:2",
      "58:5:9",
      "58:2::1:2:3",
      "59",
      "53",
      "95",
      "104",
      "39",
      "49",
    ]);
  return `\x1b[${Array.from({ length: 1 + below(random, 3) }, one).join(";")}m`;
}
