/** Sizes of terminals as servers of rexec.v1 say them. */
import { MAX_TERMINAL_SIDE } from "../../protocol/limits.ts";

/** Columns and rows, each at least 1. */
export interface Size {
  cols: number;
  rows: number;
}

/** Columns or rows that a terminal can have. */
export function isTerminalSide(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= MAX_TERMINAL_SIDE;
}

/** For a log line. */
export function shownSide(value: unknown): string {
  return typeof value === "number" ? String(value) : typeof value;
}
