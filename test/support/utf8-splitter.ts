import { unfinishedTail } from "../../src/lib/utf8.ts";

const EMPTY = new Uint8Array(0);

/** Cuts a byte stream so that no piece ends inside a UTF-8 sequence, as an agent or a server does it for v1. */
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
