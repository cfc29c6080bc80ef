/** A terminal's size as the kernel can hold it. */

/**
 * Columns or rows within 1 to 65,535: the kernel keeps 16 bits of the number, and some programs divide by it. What
 * is no number becomes 1.
 */
export function terminalSide(cells: number): number {
  return Math.min(65_535, Math.max(1, Math.trunc(cells) || 1));
}
