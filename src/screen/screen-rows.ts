/** The rows of a buffer as one text that scrolls a terminal: wrapped lines stay one line. */
import { RowWriter } from "./rows.ts";
import type { Buffer, Core, Line } from "./xterm-core.ts";

/** Which rows of a buffer are written, and how. */
export interface RowsOptions {
  link(id: number): string;
  /** Rows above the screen. */
  scrollback: number;
  /** The row above the screen in which the cursor is saved, and the sequence that saves it. */
  savedAbove?: { row: number; text: string } | null;
  /** Approximate bound, characters: older rows are left out first, then colours. */
  limit: number;
}

/** The rows for an empty terminal of the same size, with its cursor in the upper left corner. */
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
    // Empty rows at the end exist already, and would scroll a terminal with fewer rows. With rows above the screen they
    // push those up.
    if (!below && text === "" && !line.isWrapped && first === ybase && row > first) continue;
    const part = below ? text + (below.isWrapped ? wrapped(core, line, full, link) : "\r\n") : text;
    parts.push(row === savedAbove?.row ? savedAbove.text + part : part);
    length += part.length;
    below = line;
  }
  return parts.reverse().join("");
}

// --- internal ---

/** Continues in the next row by wrapping, which leaves a space in its first column and the cursor there. */
function wrapped(core: Core, line: Line, full: boolean, link: (id: number) => string): string {
  if (full) return " \r";
  const { cols, rows } = core;
  // Only a row with a full last column wraps: a character is put there, and replaced afterwards.
  const again = new RowWriter(core, line, { link, plain: false, dirty: cols }).lastCell();
  return rows < 2 ? `\x1b[${cols}G  \r` : `\x1b[${cols}G  \x1b[A${again}\x1b[B\r`;
}
