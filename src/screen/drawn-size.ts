/** The size in which a terminal is drawn. */
import type { TerminalSize } from "./engine.ts";

/** Bounds of a drawn terminal, which takes 12 bytes a cell. A larger terminal is drawn in this size. */
const MOST_COLS = 1_000;
const MOST_ROWS = 500;

export function drawn({ cols, rows }: TerminalSize): TerminalSize {
  return { cols: Math.min(Math.max(cols, 1), MOST_COLS), rows: Math.min(Math.max(rows, 1), MOST_ROWS) };
}
