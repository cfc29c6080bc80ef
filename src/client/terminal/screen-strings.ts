/** Of a terminal's output the strings (OSC, DCS and their like): whether one is open, and what they have changed. */

/** Of a string's beginning, what is kept to see what it does. */
const HEAD = 64;
/** Ends a string: BEL (of OSC only), ESC, CAN, SUB. */
const END = /[\x07\x1b\x18\x1a]/g;
const STRING_END = "\x1b\\";

/** State of the strings in one terminal's output. `ScreenModes` owns it. Keeps 64 characters of an open string. */
export class ScreenStrings {
  /** What introduced the string that is open, behind ESC; null where none is. */
  #kind: string | null = null;
  #head = "";
  /** Where in the text a string ended by something else than ST; null where none did, or ST came since. */
  #ajar: number | null = null;
  /** OSC that undo what others have set, by the number of those. */
  readonly #undone = new Map<string, string>();

  get isOpen(): boolean {
    return this.#kind !== null;
  }

  /** One ended by another sequence, by CAN or by SUB. For some terminals (tmux, screen) it goes on until ST. */
  get isAjar(): boolean {
    return this.#ajar !== null;
  }

  /** All of this text was looked at: ST in it ends what is ajar. */
  looked(text: string): void {
    if (this.#ajar !== null) this.#ajar = text.indexOf(STRING_END, this.#ajar) >= 0 ? null : 0;
  }

  /** A string begins at `from`. @returns where what comes behind it begins */
  begin(kind: string, text: string, from: number): number {
    this.#kind = kind;
    this.#head = "";
    return this.goOn(text, from);
  }

  /** The open string goes on. @returns where what comes behind it begins */
  goOn(text: string, from: number): number {
    END.lastIndex = from;
    for (let found = END.exec(text); found; found = END.exec(text)) {
      const [end] = found;
      if (end === "\x07" && this.#kind !== "]") continue;
      this.#keep(text, from, found.index);
      if (this.#kind === "]" && (end === "\x07" || end === "\x1b")) this.#done(this.#head);
      this.#kind = null;
      if (end !== "\x07") this.#ajar ??= found.index;
      // ESC begins what comes next, which may be the string's own end.
      return end === "\x1b" ? found.index : END.lastIndex;
    }
    this.#keep(text, from, text.length);
    return text.length;
  }

  /** What undoes those that were complete. */
  undo(): string {
    return [...this.#undone.values()].join("");
  }

  /** What was set is not any more. Whether a string is open stays. */
  forget(): void {
    this.#undone.clear();
  }

  /** No string is open. */
  reset(): void {
    this.#kind = null;
    this.#head = "";
    this.#ajar = null;
  }

  // --- internal ---

  #keep(text: string, from: number, to: number): void {
    if (this.#head.length < HEAD)
      this.#head += text.slice(from, Math.min(to, from + HEAD - this.#head.length));
  }

  #done(head: string): void {
    const [, number = "", rest = ""] = /^(\d+)(?:;(.*))?$/.exec(head.replace(/[\x00-\x1f]/g, "")) ?? [];
    const code = Number(number);
    if (rest === "?") return; // a question
    if (code === 4 || code === 5) {
      if (!/^\d+;\?$/.test(rest)) this.#set(number, `${code + 100}`);
    } else if (code >= 10 && code <= 19) this.#set(number, `${code + 100}`);
    else if (code === 104 || code === 105) {
      if (rest === "") this.#undone.delete(String(code - 100));
    } else if (code >= 110 && code <= 119) this.#undone.delete(String(code - 100));
    else if (code === 8 && rest.includes(";")) this.#toggle(number, /;./.test(rest), "8;;");
    else if (code === 22) this.#toggle(number, rest !== "", "22;");
    else if (code === 9 && rest.startsWith("4;")) this.#toggle(number, !rest.startsWith("4;0"), "9;4;0");
  }

  #set(number: string, undo: string): void {
    this.#undone.set(number, `\x1b]${undo}${STRING_END}`);
  }

  #toggle(number: string, on: boolean, undo: string): void {
    if (on) this.#set(number, undo);
    else this.#undone.delete(number);
  }
}
