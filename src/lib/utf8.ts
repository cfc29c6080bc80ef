/**
 * Cuts a byte stream so that no piece ends inside a UTF-8 sequence. A v1 server turns each message into text by
 * itself, so a character that is split over two messages would become two replacement characters.
 * Source of the byte ranges: The Unicode Standard, table 3-7 (well-formed UTF-8 byte sequences).
 */
export class Utf8Splitter {
  #held: Uint8Array = EMPTY;

  /** Bytes held back, 0 to 3. */
  get pending(): number {
    return this.#held.length;
  }

  /** What may be sent now: what was held and `chunk`, less an unfinished sequence at the end that may yet be valid. */
  push(chunk: Uint8Array): Uint8Array {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const keep = unfinishedTail(bytes);
    // A copy, since a caller may use its buffer again.
    this.#held = keep === 0 ? EMPTY : bytes.slice(bytes.length - keep);
    return keep === 0 ? bytes : bytes.subarray(0, bytes.length - keep);
  }

  /** The rest, at the end of the stream or where a sequence will not be finished. */
  flush(): Uint8Array {
    const held = this.#held;
    this.#held = EMPTY;
    return held;
  }
}

/**
 * How many bytes at the end (0 to 3) are the beginning of a UTF-8 sequence that could still become valid. A beginning
 * that can't (`E0 80`, `ED A0`, `F5`) counts as 0: nothing is gained by waiting.
 */
export function unfinishedTail(bytes: Uint8Array): number {
  const end = bytes.length;
  for (let back = 1; back <= Math.min(3, end); back += 1) {
    const byte = bytes[end - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue; // a continuation byte: look further left for its lead
    const length = sequenceLength(byte);
    if (length <= back) return 0; // ASCII, a whole sequence, or no lead byte at all
    const second = back >= 2 ? bytes[end - back + 1] : undefined;
    return second === undefined || secondByteFits(byte, second) ? back : 0;
  }
  return 0;
}

// --- internal ---

const EMPTY = new Uint8Array(0);

function sequenceLength(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

function secondByteFits(lead: number, second: number): boolean {
  if (lead === 0xe0) return second >= 0xa0;
  if (lead === 0xed) return second <= 0x9f;
  if (lead === 0xf0) return second >= 0x90;
  if (lead === 0xf4) return second <= 0x8f;
  return true;
}
