/**
 * What a remote program has switched on in the terminal and not off again, so that exactly that can be undone when
 * the connection ends under a full-screen program. (Undoing all that might be on would move the cursor: leaving an
 * alternate screen that was never entered restores an old position.)
 */
const ESC = 0x1b;
/** A longer sequence is none that we follow. */
const LONGEST = 64;

const ALTERNATE = [47, 1047, 1049];

type State = "text" | "escape" | "csi" | "skip";

export class ScreenModes {
  #state: State = "text";
  #sequence = "";
  readonly #on = new Set<number>();
  #cursorHidden = false;
  #keypad = false;
  #margins = false;
  #keyLevels = 0;
  #otherKeys = false;
  #cursorShape = false;
  #openCharacter = false;

  /** What came last was complete: no sequence and no character is left open. */
  get atRest(): boolean {
    return this.#state === "text" && !this.#openCharacter;
  }

  /** An alternate screen is on. */
  get alternate(): boolean {
    return ALTERNATE.some((mode) => this.#on.has(mode));
  }

  /** To be shown everything that goes to the screen. */
  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#openCharacter = endsInside(bytes);
    for (let at = 0; at < bytes.length; at += 1) {
      if (this.#state === "text") {
        at = bytes.indexOf(ESC, at);
        if (at < 0) return;
        this.#state = "escape";
      } else this.#step(bytes[at] ?? 0);
    }
  }

  /** What brings the terminal back; empty where nothing is on. */
  restore(): string {
    const alternate = ALTERNATE.filter((mode) => this.#on.has(mode));
    const others = [...this.#on].filter((mode) => !alternate.includes(mode));
    const parts = [
      this.#keyLevels > 0 ? `\x1b[<${this.#keyLevels}u` : "",
      this.#otherKeys ? "\x1b[>4m" : "",
      // The margins' reset homes the cursor: kept in place around it.
      this.#margins ? "\x1b7\x1b[r\x1b8" : "",
      ...others.map((mode) => `\x1b[?${mode}l`),
      ...alternate.map((mode) => `\x1b[?${mode}l`),
      this.#keypad ? "\x1b>" : "",
      this.#cursorShape ? "\x1b[0 q" : "",
      this.#cursorHidden ? "\x1b[?25h" : "",
    ];
    const text = parts.join("");
    return text && `${text}\x1b[0m\x1b(B`;
  }

  /** Everything is off again: `restore` was written. */
  reset(): void {
    this.#on.clear();
    this.#cursorHidden = this.#keypad = this.#margins = this.#otherKeys = this.#cursorShape = false;
    this.#keyLevels = 0;
  }

  // --- internal ---

  #step(byte: number): void {
    const char = String.fromCharCode(byte);
    if (byte === ESC) {
      this.#state = "escape";
      this.#sequence = "";
    } else if (this.#state === "escape") this.#escape(char);
    else if (this.#state === "skip" || this.#sequence.length >= LONGEST) this.#state = "text";
    else if (byte >= 0x40 && byte <= 0x7e) {
      this.#csi(this.#sequence, char);
      this.#state = "text";
    } else this.#sequence += char;
  }

  #escape(char: string): void {
    this.#sequence = "";
    this.#state = char === "[" ? "csi" : "()*+#% ".includes(char) ? "skip" : "text";
    if (char === "=") this.#keypad = true;
    if (char === ">") this.#keypad = false;
    if (char === "c") this.reset();
  }

  #csi(sequence: string, final: string): void {
    if (sequence.startsWith("?") && (final === "h" || final === "l")) {
      for (const mode of sequence.slice(1).split(";")) this.#setMode(Number(mode), final === "h");
    } else if (final === "r" && /^[\d;]*$/.test(sequence)) this.#margins = sequence !== "";
    else if (final === "u" && sequence.startsWith(">")) this.#keyLevels += 1;
    else if (final === "u" && sequence.startsWith("<")) {
      this.#keyLevels = Math.max(0, this.#keyLevels - Math.max(1, Number(sequence.slice(1)) || 1));
    } else if (final === "m" && sequence.startsWith(">4")) this.#otherKeys = /^>4;[1-9]/.test(sequence);
    else if (final === "q" && sequence.endsWith(" ")) this.#cursorShape = !/^0? $/.test(sequence);
    else if (final === "p" && sequence === "!") this.reset();
  }

  #setMode(mode: number, on: boolean): void {
    if (mode === 25) this.#cursorHidden = !on;
    else if (!UNDONE.has(mode)) return;
    else if (on) this.#on.add(mode);
    else this.#on.delete(mode);
  }
}

/**
 * Modes that are off in a terminal at rest: application cursor keys, reverse video, origin, mouse reporting in its
 * kinds and encodings, focus reports, alternate screens, bracketed paste, synchronized output.
 */
const UNDONE = new Set([
  1, 5, 6, 9, 47, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 1047, 1049, 2004, 2026, 2031,
]);

/** True where the last bytes begin a character of UTF-8 that goes on. */
function endsInside(bytes: Uint8Array): boolean {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return false;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2);
  }
  return false;
}
