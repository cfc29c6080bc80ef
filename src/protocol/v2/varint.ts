/** LEB128 varints of whole numbers up to 2^53 − 1, the largest that a JavaScript number holds exactly. */

/** Most bytes of one: 8 × 7 bits are more than 53. */
export const MAX_VARINT_BYTES = 8;

/** How many bytes `value` takes, 1 to 8. */
export function varintLength(value: number): number {
  let length = 1;
  let rest = value;
  while (rest >= 128) {
    rest = Math.floor(rest / 128);
    length += 1;
  }
  return length;
}

/**
 * Writes `value` at `at`; gives the position after it.
 * @throws RangeError where the value is negative, not whole or over 2^53 − 1: a bug of the caller
 */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`no varint: ${value}`);
  let position = at;
  let rest = value;
  // Division, not shifts: these work on 32 bits only.
  while (rest >= 128) {
    target[position] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
    position += 1;
  }
  target[position] = rest;
  return position + 1;
}

/** Reads varints of a frame in order. `failed` is set for good once one is cut short, too long or too large. */
export class VarintReader {
  readonly #bytes: Uint8Array;
  #position: number;
  #failed = false;

  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = bytes;
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** The next number; 0 once failed. */
  next(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < MAX_VARINT_BYTES; count += 1) {
      const byte = this.#bytes[this.#position];
      if (byte === undefined) break;
      this.#position += 1;
      value += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte >= 0x80) continue;
      if (Number.isSafeInteger(value)) return value;
      break;
    }
    this.#failed = true;
    return 0;
  }
}
