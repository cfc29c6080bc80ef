/**
 * Finds the key that leaves in what is typed. Nothing is held back and nothing else is taken: every byte before
 * the key passes on at once. Inside a bracketed paste the key is data. The key twice is the key once, for the program.
 */
import { DEFAULT_ESCAPE, type EscapeKey, parseEscapeKey } from "./escape-key.ts";

const PASTE_START = "\x1b[200~";
const PASTE_END = "\x1b[201~";
/** A paste that was cut off would disarm the key for good: after so long a silence it is over. */
const PASTE_LAPSES_MS = 1_000;

/** What one piece of input came to. */
export interface Typed {
  /** To be sent. */
  data: Uint8Array;
  /** The key came behind it. */
  leave: boolean;
  /** What came behind the key. */
  rest: Uint8Array;
}

/** Finds the key in the input of one terminal. `InputPump` owns it. */
export class EscapeFilter {
  readonly #key: EscapeKey | null;
  #pasting = false;
  #tail = "";
  #last = 0;

  /** @param key null: none */
  constructor(key: EscapeKey | null = parseEscapeKey(DEFAULT_ESCAPE)) {
    this.#key = key;
  }

  /**
   * @param now any monotonic clock, ms
   * @returns what is to be sent, and whether the key came behind it
   */
  push(bytes: Uint8Array, now: number): Typed {
    if (now - this.#last > PASTE_LAPSES_MS) this.#forget();
    this.#last = now;
    // Latin-1: one character a byte. The tail of the chunk before may hold the beginning of a mark.
    const text = this.#tail + latin1(bytes);
    const offset = text.length - bytes.length;
    const kept: Uint8Array[] = [];
    let sent = 0;
    let at = 0;
    for (;;) {
      const mark = text.indexOf(this.#pasting ? PASTE_END : PASTE_START, at);
      const key = this.#pasting
        ? null
        : this.#find(text.slice(0, mark < 0 ? undefined : mark), Math.max(at, offset));
      if (key) {
        kept.push(bytes.subarray(sent, Math.max(0, key.start - offset)));
        const second = this.#secondAt(text, key.end);
        if (second === 0)
          return { data: joined(kept), leave: true, rest: bytes.subarray(Math.max(0, key.end - offset)) };
        kept.push(bytes.subarray(key.start - offset, key.end - offset));
        at = key.end + second;
        sent = at - offset;
        continue;
      }
      if (mark < 0) break;
      this.#pasting = !this.#pasting;
      at = mark + PASTE_START.length;
    }
    this.#tail = text.slice(Math.max(at, text.length - (PASTE_START.length - 1)));
    return { data: joined([...kept, bytes.subarray(sent)]), leave: false, rest: new Uint8Array(0) };
  }

  /** After the key: how many bytes at the beginning of what is typed next are the key again. */
  again(bytes: Uint8Array): number {
    return this.#secondAt(latin1(bytes), 0);
  }

  // --- internal ---

  #forget(): void {
    this.#pasting = false;
    this.#tail = "";
  }

  #find(text: string, from: number): { start: number; end: number } | null {
    for (let at = from; at < text.length; at += 1) {
      const length = this.#lengthAt(text, at);
      if (length > 0) return { start: at, end: at + length };
    }
    return null;
  }

  /** Bytes of the key at that place, and of its release in front of that; 0 where it is not there. */
  #secondAt(text: string, at: number): number {
    const { release } = this.#key ?? {};
    if (release) release.lastIndex = at;
    const released = release?.exec(text)?.[0].length ?? 0;
    const length = this.#lengthAt(text, at + released);
    return length === 0 ? 0 : released + length;
  }

  /** Bytes of the key at that place; 0 where it is not there. */
  #lengthAt(text: string, at: number): number {
    const code = text.charCodeAt(at);
    if (!this.#key) return 0;
    if (code === this.#key.byte) return 1;
    const { long } = this.#key;
    if (code !== ESCAPE || !long) return 0;
    long.lastIndex = at;
    return long.exec(text)?.[0].length ?? 0;
  }
}

// --- internal ---

const ESCAPE = 0x1b;

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first = new Uint8Array(0), ...more] = pieces;
  return more.length === 0 ? first : Buffer.concat(pieces);
}
