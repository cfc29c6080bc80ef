/** The rows of a buffer, one below the other, as text that a terminal scrolls through: long lines stay one line. */
import { RowWriter } from "./rows.ts";
import type { Buffer, Core, Line } from "./xterm-core.ts";

export interface RowsOptions {
  link(id: number): string;
  /** Rows above the screen that are wanted. */
  scrollback: number;
  /** The row above the screen in which the cursor is saved, and what saves it. */
  savedAbove?: { row: number; text: string } | null;
  /** About as many characters may be written: older rows are left out first, then colours. */
  limit: number;
}

/** For a terminal of the same size that is empty, with its cursor in the upper left corner. */
export function rowsOf(
  core: Core,
  buffer: Buffer,
  { link, scrollback, limit, savedAbove }: RowsOptions,
): string {
  const { lines, ybase } = buffer;
  const first = Math.max(0, ybase - scrollback);
  const parts: string[] = [];
  let length = 0;
  let below: Line | null = null;
  for (let row = Math.min(lines.length, ybase + core.rows) - 1; row >= first; row -= 1) {
    const line = lines.get(row);
    if (!line) continue;
    if (length > limit && row < ybase) break;
    const dirty = line.isWrapped && row > first ? 1 : 0;
    const { text, full } = new RowWriter(core, line, { link, plain: length > limit, dirty }).row();
    // Empty rows at the end are there already, and would scroll a terminal with fewer rows. With rows above the screen
    // they are what pushes those up.
    if (!below && text === "" && !line.isWrapped && first === ybase && row > first) continue;
    const part = below ? text + (below.isWrapped ? wrapped(core, line, full, link) : "\r\n") : text;
    parts.push(row === savedAbove?.row ? savedAbove.text + part : part);
    length += part.length;
    below = line;
  }
  return parts.reverse().join("");
}

// --- internal ---

/** Goes on in the next row by wrapping, which leaves a space in its first column and the cursor there. */
function wrapped(core: Core, line: Line, full: boolean, link: (id: number) => string): string {
  if (full) return " \r";
  const { cols, rows } = core;
  // Only a row whose last column has something in it wraps: it is put there, and taken away afterwards.
  const again = new RowWriter(core, line, { link, plain: false, dirty: cols }).lastCell();
  return rows < 2 ? `\x1b[${cols}G  \r` : `\x1b[${cols}G  \x1b[A${again}\x1b[B\r`;
}
