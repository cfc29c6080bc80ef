/** Tables of the commands. */
import { type Column, renderTable } from "../client/table.ts";

/** A table for stdout: cut to the terminal's width (80 where it does not say), whole in a pipe or a file. */
export function stdoutTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return renderTable(columns, rows, process.stdout.isTTY ? process.stdout.columns || 80 : Infinity);
}
