/**
 * Backpressure towards viewers. v1 has no acknowledgements, so what a viewer has not taken yet is seen only in its
 * socket's buffer:
 *
 * - All slow: while every viewer of an agent has more than `HIGH_BYTES` waiting, the agent's socket is not read.
 *   TCP hands that on to the agent, which stops reading its PTYs. Nothing is lost.
 * - One fast: the agent is read on, and a viewer with more than `SKIP_BYTES` waiting gets no further output until
 *   its buffer is nearly empty, then one visible line that says how much it missed. A slow viewer never stalls another.
 * - A viewer that takes nothing at all for a minute is closed (`Timings.viewerStallMs`).
 *
 * So a viewer's buffer holds at most `SKIP_BYTES`, what was on its way when the agent was paused (one read of the
 * socket, 512 KiB), and answers to its own commands (see `Viewer.sendResult`).
 */
export const HIGH_BYTES = 1024 * 1024;
export const LOW_BYTES = 512 * 1024;
export const SKIP_BYTES = 4 * 1024 * 1024;

/**
 * Whether the agent's socket is to be paused.
 * @param paused whether it is now: it goes on only when some viewer has come down to `LOW_BYTES`
 * @param waiting bytes in each viewer's buffer; none: no viewer is slow
 */
export function shouldPause(paused: boolean, waiting: readonly number[]): boolean {
  if (waiting.length === 0) return false;
  const limit = paused ? LOW_BYTES : HIGH_BYTES;
  return waiting.every((bytes) => bytes > limit);
}

/** What a skipping viewer sees. CAN (0x18) ends an escape sequence that the gap may have cut in two. */
export function skipMarker(bytes: number): string {
  const amount = `${bytes.toLocaleString("en-US")} ${bytes === 1 ? "byte" : "bytes"}`;
  return `\x18\x1b[0m\r\n[rexec: ${amount} of output skipped, this connection is too slow]\r\n`;
}
