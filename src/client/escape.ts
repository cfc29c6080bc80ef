/**
 * Finds the key that leaves, Ctrl+], in what a person types. Nothing is held back and nothing else is taken: every
 * byte before the key passes on at once. Inside a bracketed paste the byte is data.
 */
const LEAVE = 0x1d;
const PASTE_START = "\x1b[200~";
const PASTE_END = "\x1b[201~";
/** A paste that was cut off would disarm the key for good: after so long a silence it is over. */
const PASTE_LAPSES_MS = 1_000;
/**
 * The same key where a program has asked the terminal for longer key codes: kitty's (93 is `]`; 1 + 4 is Ctrl, 64
 * and 128 more are the lock keys) and xterm's modifyOtherKeys.
 */
const LONG_LEAVE = new RegExp(`${"\x1b"}\\[(?:93(?::\\d*)*;(?:5|69|133|197)(?::1)?u|27;5;93~)`);

export class EscapeFilter {
  #pasting = false;
  #tail = "";
  #last = 0;

  /**
   * @param now any monotonic clock, ms
   * @returns what is to be sent, and whether the key came behind it
   */
  push(bytes: Uint8Array, now: number): { data: Uint8Array; leave: boolean } {
    if (now - this.#last > PASTE_LAPSES_MS) this.#forget();
    this.#last = now;
    // Latin-1: one character a byte. The tail of the chunk before may hold the beginning of a mark.
    const text = this.#tail + Buffer.from(bytes).toString("latin1");
    const offset = text.length - bytes.length;
    let at = 0;
    for (;;) {
      const mark = text.indexOf(this.#pasting ? PASTE_END : PASTE_START, at);
      if (!this.#pasting) {
        const key = findLeave(text.slice(0, mark < 0 ? undefined : mark), Math.max(at, offset));
        if (key >= 0) return { data: bytes.subarray(0, Math.max(0, key - offset)), leave: true };
      }
      if (mark < 0) break;
      this.#pasting = !this.#pasting;
      at = mark + PASTE_START.length;
    }
    this.#tail = text.slice(Math.max(at, text.length - (PASTE_START.length - 1)));
    return { data: bytes, leave: false };
  }

  // --- internal ---

  #forget(): void {
    this.#pasting = false;
    this.#tail = "";
  }
}

function findLeave(text: string, from: number): number {
  const plain = text.indexOf(String.fromCharCode(LEAVE), from);
  const long = text.slice(from).search(LONG_LEAVE);
  if (plain < 0 || long < 0) return long < 0 ? plain : from + long;
  return Math.min(plain, from + long);
}
