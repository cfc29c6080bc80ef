/**
 * What a remote program has switched on in the terminal and not off again, so that exactly that can be undone when
 * the connection ends under a full-screen program. (Undoing all that might be on would move the cursor: leaving an
 * alternate screen that was never entered restores an old position.)
 */
/** A longer sequence is none that we follow. */
const LONGEST = 64;

const ALTERNATE = [47, 1047, 1049];

/**
 * The sequences that count: private modes, margins, key levels and other keys, cursor shape, soft reset; keypad, full
 * reset. Most of what is looked at are colours, which have to fail fast.
 */
const SEQUENCE = /\x1b(?:\[(?:\?([\d;]+)([hl])|([<>])([\d;]*)([um])|([\d;]*)(r| q)|!p)|[=>c])/g;

/** One that has its end, whatever it is. Strings (titles) count as text. */
const COMPLETE = /^\x1b(?:\[[^@-~\x1b]*[@-~]|[()*+#% ][\s\S]|[^[()*+#% \x1b])/;

export class ScreenModes {
  /** What came last of a sequence that goes on. */
  #cut = "";
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
    return this.#cut === "" && !this.#openCharacter;
  }

  /** An alternate screen is on. */
  get alternate(): boolean {
    return ALTERNATE.some((mode) => this.#on.has(mode));
  }

  /** To be shown everything that goes to the screen. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#openCharacter = endsInside(bytes);
    const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
    const text = this.#cut === "" ? piece : this.#cut + piece;
    SEQUENCE.lastIndex = 0;
    for (let match = SEQUENCE.exec(text); match; match = SEQUENCE.exec(text)) this.#note(match);
    const last = text.lastIndexOf("\x1b");
    const tail = last < 0 || text.length - last > LONGEST ? "" : text.slice(last);
    this.#cut = COMPLETE.test(tail) ? "" : tail;
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

  #note(match: RegExpExecArray): void {
    const [sequence, modes, to, level, number = "", key, margins, final] = match;
    if (modes !== undefined) for (const mode of modes.split(";")) this.#setMode(Number(mode), to === "h");
    else if (level !== undefined) this.#setKeys(level, number, key ?? "");
    else if (final === "r") this.#margins = margins !== "";
    else if (final === " q") this.#cursorShape = margins !== "" && margins !== "0";
    else if (sequence === "\x1b=") this.#keypad = true;
    else if (sequence === "\x1b>") this.#keypad = false;
    else this.reset();
  }

  /** kitty's levels (`u`) and xterm's other keys (`m`). */
  #setKeys(level: string, number: string, key: string): void {
    if (key === "m") {
      if (level === ">" && number.startsWith("4")) this.#otherKeys = /^4;[1-9]/.test(number);
    } else if (level === ">") this.#keyLevels += 1;
    else this.#keyLevels = Math.max(0, this.#keyLevels - Math.max(1, Number(number) || 1));
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
