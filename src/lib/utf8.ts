/**
 * The cut of a byte stream into text messages: a v1 server decodes each message by itself, so a character that two messages
 * share would become two replacement characters.
 * Source of the byte ranges: The Unicode Standard, table 3-7 (well-formed UTF-8 byte sequences).
 */

/**
 * The bytes at the end (0 to 3) that begin a UTF-8 sequence that could still become valid. An invalid beginning (`E0 80`,
 * `ED A0`, `F5`) counts as 0: no further byte would complete it.
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
