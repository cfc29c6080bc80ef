/** The state of a terminal beside its text, as sequences that set it. */
import { lookOf, PLAIN, penTo } from "./attributes.ts";
import { designated, shifted, undesignated } from "./charsets.ts";
import type { Buffer, Core, Extended } from "./xterm-core.ts";

const TAB_WIDTH = 8;
const NO_EXTENDED: Extended = { urlId: 0, _ext: 0, clone: () => NO_EXTENDED };

/** Tab stops, unless they are the default ones. Moves the cursor. */
export function tabs({ cols }: Core, { tabs: stops }: Buffer): string {
  const columns = Array.from({ length: cols }, (_, column) => column);
  if (columns.every((column) => Boolean(stops[column]) === (column % TAB_WIDTH === 0))) return "";
  return `\x1b[3g${columns.map((column) => (stops[column] ? `\x1b[${column + 1}G\x1bH` : "")).join("")}`;
}

/** The scroll region. Moves the cursor. */
export function region({ rows }: Core, { scrollTop, scrollBottom }: Buffer): string {
  return scrollTop === 0 && scrollBottom === rows - 1
    ? "\x1b[r"
    : `\x1b[${scrollTop + 1};${scrollBottom + 1}r`;
}

/** True where no cursor was saved by ESC 7, or only the initial one. */
export function isUnsaved(buffer: Buffer): boolean {
  const { fg, bg } = lookOf(buffer.savedCurAttrData.fg, buffer.savedCurAttrData.bg, NO_EXTENDED);
  const place = buffer.savedX + buffer.savedY;
  const sets = buffer.savedGlevel + buffer.savedCharsets.filter(Boolean).length;
  return place + sets === 0 && fg === 0 && bg === 0 && !buffer.savedOriginMode && buffer.savedWraparoundMode;
}

/** Saves the same cursor, then resets all but the cursor's place. Expects a region of all rows. */
export function savedCursor({ rows, cols }: Core, buffer: Buffer): string {
  if (isUnsaved(buffer) || isSavedAbove(buffer)) return "";
  const row = Math.min(Math.max(0, buffer.savedY - buffer.ybase), rows - 1);
  const place = `\x1b[${row + 1};${Math.min(buffer.savedX, cols - 1) + 1}H`;
  return buffer.savedOriginMode ? `\x1b[?6h${place}${saving(buffer)}\x1b[?6l` : place + saving(buffer);
}

/** The sequence that saves a cursor whose row is above the screen now, to be written with that row. */
export function savedAbove(buffer: Buffer): { row: number; text: string } | null {
  if (isUnsaved(buffer) || !isSavedAbove(buffer)) return null;
  return { row: buffer.savedY, text: `\x1b[${buffer.savedX + 1}G${saving(buffer)}\r` };
}

/** Kitty's keyboard flags of one screen: a stack with the current flags on top. */
export function keyboard(stack: readonly number[], flags: number): string {
  const [first, ...pushed] = [...stack, flags];
  if (!first && pushed.length === 0) return "";
  return `\x1b[=${first}u${pushed.map((each) => `\x1b[>${each}u`).join("")}`;
}

/** Modes that affect neither the cursor nor printing. */
export function modes(core: Core): string {
  const { decPrivateModes: on } = core.coreService;
  const { activeProtocol, activeEncoding } = core.mouseStateService;
  const mouse = { X10: 9, VT200: 1000, DRAG: 1002, ANY: 1003 }[activeProtocol];
  const encoding = { SGR: 1006, SGR_PIXELS: 1016 }[activeEncoding];
  return [
    on.applicationCursorKeys ? "\x1b[?1h" : "",
    on.applicationKeypad ? "\x1b=" : "",
    on.bracketedPasteMode ? "\x1b[?2004h" : "",
    on.colorSchemeUpdates ? "\x1b[?2031h" : "",
    on.reverseWraparound ? "\x1b[?45h" : "",
    on.sendFocus ? "\x1b[?1004h" : "",
    mouse ? `\x1b[?${mouse}h` : "",
    encoding ? `\x1b[?${encoding}h` : "",
    core.options.convertEol ? "\x1b[20h" : "",
    cursorShape(on),
    core.coreService.isCursorHidden ? "\x1b[?25l" : "",
  ].join("");
}

/** The titles and their stacks. */
export function titles({ _inputHandler: input }: Core): string {
  const stacked = (titles: readonly string[], what: number) =>
    titles.map((title) => `\x1b]${what};${title}\x07\x1b[22;${what}t`).join("");
  return [
    stacked(input._iconNameStack, 1),
    stacked(input._windowTitleStack, 2),
    input._iconName ? `\x1b]1;${input._iconName}\x07` : "",
    input._windowTitle ? `\x1b]2;${input._windowTitle}\x07` : "",
  ].join("");
}

// --- internal ---

function isSavedAbove(buffer: Buffer): boolean {
  return buffer.savedY < buffer.ybase && !buffer.savedOriginMode;
}

function saving({ savedCurAttrData: pen, savedCharsets, savedGlevel, savedWraparoundMode }: Buffer): string {
  const look = lookOf(pen.fg, pen.bg, NO_EXTENDED);
  return [
    penTo(look, PLAIN),
    designated(savedCharsets),
    savedGlevel > 0 ? shifted(savedGlevel) : "",
    savedWraparoundMode ? "" : "\x1b[?7l",
    "\x1b7",
    savedWraparoundMode ? "" : "\x1b[?7h",
    savedGlevel > 0 ? shifted(0) : "",
    undesignated(savedCharsets),
    penTo(PLAIN, look),
  ].join("");
}

function cursorShape({ cursorStyle, cursorBlink }: Core["coreService"]["decPrivateModes"]): string {
  if (cursorStyle === undefined) return "";
  const steady = { block: 2, underline: 4, bar: 6 }[cursorStyle];
  return `\x1b[${cursorBlink ? steady - 1 : steady} q`;
}
