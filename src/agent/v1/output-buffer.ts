/**
 * The output of one session that the server has not taken yet, under absolute byte offsets: `start` is the offset of
 * the first byte that is still here, `end` the one after the last, counted from the session's first byte on.
 */
import { unfinishedTail } from "../../lib/utf8.ts";

/** Small chunks are gathered in blocks of this size: a program that writes single bytes must not cost 100 a byte. */
const BLOCK = 16 * 1024;

/** Output by v1 that the server has not taken. Owned by a feed; offsets in bytes. */
export class OutputBuffer {
  #blocks: Uint8Array[] = [];
  /** Bytes used in the last block, where that is one of ours with room left; else null. @transient another block is begun */
  #open: { block: Uint8Array; used: number } | null = null;
  /** @transient offsets begin anew */
  #start = 0;
  #end = 0;

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /** Bytes held. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Takes the chunk over; the caller must not change it later. */
  push(chunk: Uint8Array): void {
    this.#end += chunk.length;
    if (this.#append(chunk)) return;
    this.#open = null;
    // A lone small chunk is the echo of a keystroke: it is sent and gone before another comes.
    if (this.#blocks.length === 0 || chunk.length >= BLOCK / 2) {
      this.#blocks.push(chunk.buffer.byteLength > 2 * chunk.length ? chunk.slice() : chunk);
      return;
    }
    const block = new Uint8Array(BLOCK);
    block.set(chunk);
    this.#open = { block, used: chunk.length };
    this.#blocks.push(block.subarray(0, chunk.length));
  }

  /**
   * Takes out up to `max` bytes, cut where no UTF-8 sequence is split; an unfinished sequence at the end stays here
   * unless `final`. Empty where there is nothing to take yet.
   * @param max at least 4
   */
  take(max: number, final: boolean): Uint8Array {
    const bytes = this.#peek(Math.min(max, this.length));
    const all = bytes.length === this.length;
    const size = bytes.length - (final && all ? 0 : unfinishedTail(bytes));
    this.#drop(size);
    return bytes.subarray(0, size);
  }

  /** Whether `take` would give something. */
  canTake(final: boolean): boolean {
    if (this.length > 3) return true;
    return this.length > 0 && (final || unfinishedTail(this.#peek(this.length)) < this.length);
  }

  /** A copy of everything held. */
  copy(): Uint8Array {
    return this.#peek(this.length).slice();
  }

  /** Forgets everything held. */
  clear(): void {
    this.#drop(this.length);
  }

  // --- internal ---

  #append(chunk: Uint8Array): boolean {
    const open = this.#open;
    if (!open || open.used + chunk.length > open.block.length || this.#blocks.length === 0) return false;
    open.block.set(chunk, open.used);
    const last = this.#blocks.length - 1;
    const tail = this.#blocks[last];
    // What was taken from the front of the block already is left out.
    const from = tail ? tail.byteOffset - open.block.byteOffset : 0;
    open.used += chunk.length;
    this.#blocks[last] = open.block.subarray(from, open.used);
    return true;
  }

  #peek(size: number): Uint8Array {
    const first = this.#blocks[0];
    if (!first || size === 0) return EMPTY;
    if (first.length >= size) return first.subarray(0, size);
    const joined = new Uint8Array(size);
    let filled = 0;
    for (const block of this.#blocks) {
      const part = block.subarray(0, size - filled);
      joined.set(part, filled);
      filled += part.length;
      if (filled === size) break;
    }
    return joined;
  }

  #drop(size: number): void {
    this.#start += size;
    let left = size;
    while (left > 0) {
      const first = this.#blocks[0];
      if (!first) break;
      if (first.length > left) {
        this.#blocks[0] = first.subarray(left);
        return;
      }
      left -= first.length;
      this.#blocks.shift();
    }
    if (this.#blocks.length === 0) this.#open = null;
  }
}

const EMPTY = new Uint8Array(0);
