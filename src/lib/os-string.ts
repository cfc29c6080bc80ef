/**
 * Lossless strings for the system's bytes (paths, arguments): a byte that is part of no UTF-8 sequence becomes a lone
 * surrogate, U+DC80 to U+DCFF (as in Python's PEP 383). `isWellFormed()` tells plain text from such strings.
 */

/** Bytes to a string. */
export function fromBytes(bytes: Uint8Array): string {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  if (!text.includes("\ufffd")) return text;
  let out = "";
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceAt(bytes, at);
    out += length > 0 ? decode(bytes, at, length) : String.fromCharCode(0xdc00 + (bytes[at] ?? 0));
    at += Math.max(1, length);
  }
  return out;
}

/** And back. */
export function toBytes(text: string): Uint8Array {
  if (text.isWellFormed()) return Buffer.from(text);
  const parts = [...text].map((unit) => {
    const code = unit.charCodeAt(0);
    return unit.length === 1 && code >= 0xdc80 && code <= 0xdcff
      ? Uint8Array.of(code - 0xdc00)
      : Buffer.from(unit);
  });
  return Buffer.concat(parts);
}

/** For display: such a byte as `\xff`. Other lone surrogates stay as they are. */
export function shownOf(text: string): string {
  if (text.isWellFormed()) return text;
  return [...text].map((unit) => (BYTE.test(unit) ? escapedByte(unit) : unit)).join("");
}

// --- internal ---

const BYTE = /^[\udc80-\udcff]$/;

function escapedByte(unit: string): string {
  return `\\x${(unit.charCodeAt(0) - 0xdc00).toString(16)}`;
}

/** Length of the UTF-8 sequence that begins there, 0 where none does. */
function sequenceAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (at + length > bytes.length) return 0;
  return Buffer.from(decode(bytes, at, length)).equals(bytes.subarray(at, at + length)) ? length : 0;
}

function decode(bytes: Uint8Array, at: number, length: number): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(at, at + length));
}
