/**
 * Serializes a terminal to a text that gives another one of its size the same state: both screens, the scrollback, and the
 * state that later output depends on. `docs/protocol-v2.md` ("The screen") has the list.
 */
import { lookOf, PLAIN, penTo, sameLook, underlineOf } from "./attributes.ts";
import type { Beyond } from "./beyond.ts";
import { designated, shifted } from "./charsets.ts";
import { RowWriter } from "./rows.ts";
import { rowsOf } from "./screen-rows.ts";
import { isUnsaved, keyboard, modes, region, savedAbove, savedCursor, tabs, titles } from "./state.ts";
import type { Buffer, Core } from "./xterm-core.ts";

/** Bounds of a snapshot. */
export interface SerializeOptions {
  /** Rows above the screen. */
  scrollback: number;
  /** Approximate bound, characters: older rows are left out first, then colours. */
  limit: number;
}

/** A snapshot in two parts. Between them the pen is plain and origin mode off; the cursor may be anywhere. */
export interface SerializedScreen {
  /** All rows, tab stops, saved cursors. */
  drawn: string;
  /** Titles, modes, margins, the cursor and its pen. */
  state: string;
}

/** The snapshot of a terminal that is not in the middle of a sequence. */
export function serialize(core: Core, beyond: Beyond, options: SerializeOptions): SerializedScreen {
  const { normal, alt, active } = core.buffers;
  const link = (id: number) => beyond.link(id);
  const blank = `\x1b[1;${core.rows}r\x1b[H`;
  const { kittyKeyboard: keys } = core.coreService;
  const isAlternate = active === alt;
  const parts = [blank, rowsOf(core, normal, { ...options, link, savedAbove: savedAbove(normal) })];
  parts.push(tabs(core, normal), keyboard(keys.mainStack, isAlternate ? keys.mainFlags : keys.flags));
  parts.push(savedCursor(core, normal));
  if (isAlternate) {
    const { length } = parts.join("");
    parts.push(region(core, normal), entering(core, normal), "\x1b[m\x1b[2J", blank);
    parts.push(rowsOf(core, alt, { scrollback: 0, limit: Math.max(0, options.limit - length), link }));
    parts.push(tabs(core, alt), keyboard(keys.altStack, keys.flags), savedCursor(core, alt));
  } else {
    const hidden =
      keyboard(keys.altStack, keys.altFlags) + (isUnsaved(alt) ? "" : blank + savedCursor(core, alt));
    if (hidden) parts.push(`\x1b[?47h${hidden}\x1b[?47l`);
  }
  const state = [
    titles(core),
    modes(core),
    beyond.serialize(),
    region(core, active),
    cursor(core, active, beyond),
  ];
  return { drawn: parts.join(""), state: state.join("") };
}

/** The character that the next one may join, where it stands right before the cursor still; otherwise null. */
export function lastPrinted(core: Core, buffer: Buffer): { column: number; text: string } | null {
  const state = core._inputHandler._parser.precedingJoinState;
  const width = (state >> 1) & 3;
  const column = buffer.x - width;
  const line = buffer.lines.get(buffer.ybase + buffer.y);
  if (state === 0 || !line || column < 0 || line.getWidth(column) !== width) return null;
  const text = line.getString(column);
  let after = 0;
  for (const char of text) after = core.unicodeService.charProperties(char.codePointAt(0) ?? 0, after);
  return text !== "" && joinsAlike(after, state) ? { column, text } : null;
}

// --- internal ---

/** Enters the alternate screen from the normal one's cursor, with the same cursor saved. */
function entering(core: Core, normal: Buffer): string {
  const isAtSaved = normal.savedY === normal.ybase + normal.y && normal.savedX === normal.x;
  // Entering by 1049 saves the cursor. Restoring it before that, with an origin in a region, might move it.
  if (!isAtSaved || normal.savedOriginMode || normal.x >= core.cols)
    return `\x1b[${normal.y + 1};${Math.min(normal.x, core.cols - 1) + 1}H\x1b[?1047h`;
  const after = [normal.savedGlevel > 0 ? shifted(0) : "", normal.savedWraparoundMode ? "" : "\x1b[?7h"];
  const ascii = normal.savedCharsets.some(Boolean) ? "\x1b(B\x1b)B\x1b*B\x1b+B" : "";
  const guard = penTo(PLAIN, lookOf(0, normal.savedCurAttrData.bg, core._inputHandler._curAttrData.extended));
  return `\x1b8\x1b[?1049h${after.join("")}${ascii}${guard}`;
}

/** The cursor with its pen, and all state for printing the next character. */
function cursor(core: Core, buffer: Buffer, beyond: Beyond): string {
  const { decPrivateModes: on, modes: ansi } = core.coreService;
  const { charsets, glevel } = core._charsetService;
  const { fg, bg, extended } = core._inputHandler._curAttrData;
  const colours = { ...lookOf(fg, bg, extended), underline: underlineOf(extended) };
  const again = reprinted(core, buffer);
  return [
    on.origin ? "\x1b[?6h" : "",
    again ? place(core, buffer, again.column) : behind(core, buffer, (id) => beyond.link(id)),
    designated(charsets),
    glevel > 0 ? shifted(glevel) : "",
    penTo(colours, PLAIN),
    colours.link ? beyond.link(colours.link) : "",
    on.wraparound ? "" : "\x1b[?7l",
    // In insert mode the reprinted character replaces itself.
    ansi.insertMode ? `${again ? `\x1b[${again.inserts}P` : ""}\x1b[4h` : "",
    on.synchronizedOutput ? "\x1b[?2026h" : "",
    again?.text ?? "",
  ].join("");
}

function place(core: Core, { y, scrollTop }: Buffer, column: number): string {
  const top = core.coreService.decPrivateModes.origin ? scrollTop : 0;
  return `\x1b[${y - top + 1};${column + 1}H`;
}

/** Moves the cursor to its place; behind the last column only printing gets it there. */
function behind(core: Core, buffer: Buffer, link: (id: number) => string): string {
  const { cols, buffers } = core;
  if (buffer.x < cols) return place(core, buffer, buffer.x);
  const line = buffer.lines.get(buffer.ybase + buffer.y);
  const last = cols - 1;
  const start = line && last > 0 && line.getWidth(last) === 0 ? last - 1 : last;
  if (line?.getString(start)) {
    const writer = new RowWriter(core, line, { link, plain: false, dirty: cols });
    return place(core, buffer, start) + writer.lastCell();
  }
  // The cell is empty now: a space on the other screen moves the cursor and leaves this screen unchanged.
  if (buffer === buffers.normal) return `\x1b[?47h\x1b[${buffer.y + 1};${cols}H \x1b[?47l`;
  return `${place(core, buffer, last)} `;
}

/** The last character, if the next one may join or repeat it: it is printed again at the very end. */
function reprinted(core: Core, buffer: Buffer): { column: number; text: string; inserts: number } | null {
  const last = lastPrinted(core, buffer);
  const line = buffer.lines.get(buffer.ybase + buffer.y);
  if (!last || !line) return null;
  const { column, text } = last;
  const { fg, bg, extended } = core._inputHandler._curAttrData;
  const sameColours = sameLook(
    lookOf(fg, bg, extended),
    lookOf(line.getFg(column), line.getBg(column), line.getExtended(column)),
  );
  const inserts = (core.unicodeService.charProperties(text.codePointAt(0) ?? 0, 0) >> 1) & 3;
  return sameColours ? { column, text, inserts } : null;
}

/** Only the class and the width in a join state decide what joins; the rest is context. */
function joinsAlike(a: number, b: number): boolean {
  return ((a >> 1) & 0x3f) === ((b >> 1) & 0x3f);
}
