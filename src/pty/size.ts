/**
 * Columns or rows, clamped to 1 to 65,535: the kernel keeps 16 bits, and some programs divide by the number. NaN becomes 1.
 */
export function terminalSide(cells: number): number {
  return Math.min(65_535, Math.max(1, Math.trunc(cells) || 1));
}
