/** Text in columns, measured in cells of the terminal: wide characters and colours count as what they show. */

/** Characters of a cell: what is longer is cut also where no terminal sets the width. */
export const LONGEST_CELL = 512;

/** A column: its title, and whether it may be cut. */
export interface Column {
  title: string;
  /** May be cut down to `min` cells where the terminal is narrow; others are not. */
  shrink?: { min: number };
}

/** @param width cells that a line may have; Infinity where no terminal shows it */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string {
  const lines = [columns.map((column) => column.title), ...rows];
  const widths = columns.map((_, index) =>
    Math.max(...lines.map((line) => Bun.stringWidth(line[index] ?? ""))),
  );
  let excess = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (columns.length - 1) - width;
  for (const [index, column] of columns.entries()) {
    const own = widths[index] ?? 0;
    if (excess <= 0 || !column.shrink || own <= column.shrink.min) continue;
    const cut = Math.min(excess, own - column.shrink.min);
    widths[index] = own - cut;
    excess -= cut;
  }
  return lines.map((line) => renderLine(line, widths)).join("\n");
}

// --- internal ---

const GAP = "  ";

function renderLine(cells: readonly string[], widths: readonly number[]): string {
  const padded = widths.map((width, index) => fit(cells[index] ?? "", width));
  return padded.join(GAP).trimEnd();
}

function fit(text: string, width: number): string {
  const shown = Bun.stringWidth(text) > width ? `${Bun.sliceAnsi(text, 0, Math.max(0, width - 1))}…` : text;
  return shown + " ".repeat(Math.max(0, width - Bun.stringWidth(shown)));
}
