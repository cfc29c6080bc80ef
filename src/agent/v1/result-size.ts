/** A result of a command as one message of v1, cut where it would be larger than servers take. */
import { RESULT_MESSAGE_BYTES } from "../../protocol/limits.ts";
import { type ExecResult, encodeAgent } from "../../protocol/v1.ts";

/** Of the message, bytes that are not the three texts: the command, what went wrong, the rest. */
const FRAME_BYTES = 64 * 1024;

/** The message. What the texts have too much is cut from the longest of them first, and `truncated` is set. */
export function encodeResult(result: ExecResult, most = RESULT_MESSAGE_BYTES): string {
  const whole = encodeAgent.execResult(result);
  if (Buffer.byteLength(whole) <= most) return whole;
  const { output, stdout = "", stderr = "" } = result;
  const sizes = { output: sizeOf(output), stdout: stdout.length, stderr: stderr.length };
  const rest = Buffer.byteLength(result.command) + Buffer.byteLength(result.error ?? "") + FRAME_BYTES;
  const share = shareOf(Object.values(sizes), Math.max(0, most - rest));
  return encodeAgent.execResult({
    ...result,
    output: cutText(output, sizes.output, share),
    ...(result.stdout === undefined ? {} : { stdout: cutBase64(stdout, share) }),
    ...(result.stderr === undefined ? {} : { stderr: cutBase64(stderr, share) }),
    truncated: true,
  });
}

// --- internal ---

function sizeOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text));
}

/** What each may have so that all fit: small ones leave the rest to the others. */
function shareOf(sizes: number[], room: number): number {
  let left = room;
  const ascending = sizes.toSorted((a, b) => a - b);
  for (const [index, size] of ascending.entries()) {
    const share = left / (ascending.length - index);
    if (size > share) return Math.floor(share);
    left -= size;
  }
  return room;
}

/** Halved until it fits, since escapes may be anywhere in it. */
function cutText(text: string, size: number, most: number): string {
  let cut = size > most ? text.slice(0, Math.floor((text.length * most) / size)) : text;
  while (sizeOf(cut) > most + 2) cut = cut.slice(0, Math.floor(cut.length / 2));
  return cut;
}

/** Four characters are three bytes. */
function cutBase64(text: string, most: number): string {
  return text.length <= most ? text : text.slice(0, most - (most % 4));
}
