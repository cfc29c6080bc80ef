/** What a terminal knows beside what xterm's serializer writes down: watched as it passes through the parser. */
import type { Terminal } from "@xterm/headless";

/** Encodings of the mouse; the last one set counts. */
const MOUSE_ENCODINGS = new Set([1005, 1006, 1015, 1016]);
const CURSOR_VISIBLE = 25;
const CURSOR_BLINKS = 12;
const ALTERNATE_SCROLL = 1007;

export class TerminalState {
  readonly #terminal: Terminal;
  /** Private modes that the serializer leaves out, where they are not as after a reset. */
  readonly #modes = new Map<number, "h" | "l">();
  #cursorStyle = 0;
  #title = "";
  #charset = "B";
  /** Of the normal and of the alternate buffer; null for the whole screen. */
  #regions: { normal: string | null; alternate: string | null } = { normal: null, alternate: null };

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    const { parser } = terminal;
    // False lets the terminal do its own part of it.
    parser.registerCsiHandler({ prefix: "?", final: "h" }, (params) => this.#setModes(params, "h"));
    parser.registerCsiHandler({ prefix: "?", final: "l" }, (params) => this.#setModes(params, "l"));
    parser.registerCsiHandler({ intermediates: " ", final: "q" }, ([style]) => {
      this.#cursorStyle = typeof style === "number" ? style : 0;
      return false;
    });
    parser.registerCsiHandler({ final: "r" }, ([top, bottom]) => this.#setRegion(top, bottom));
    parser.registerCsiHandler({ intermediates: "!", final: "p" }, () => this.#softReset());
    parser.registerEscHandler({ final: "c" }, () => this.#reset());
    for (const charset of ["0", "B", "A"]) {
      parser.registerEscHandler({ intermediates: "(", final: charset }, () => {
        this.#charset = charset;
        return false;
      });
    }
    terminal.onTitleChange((title) => {
      this.#title = title;
    });
    terminal.onResize(() => {
      this.#regions = { normal: null, alternate: null };
    });
  }

  /** To be written behind what the serializer gives. */
  serialize(): string {
    const { cursorX, type } = this.#terminal.buffer.active;
    const region = this.#regions[type];
    const { originMode } = this.#terminal.modes;
    let text = this.#title ? `\x1b]2;${this.#title}\x07` : "";
    for (const [mode, to] of this.#modes) text += `\x1b[?${mode}${to}`;
    if (this.#cursorStyle > 0) text += `\x1b[${this.#cursorStyle} q`;
    // A region, and the origin mode, put the cursor home. One behind the last column can't be put back there.
    if (region !== null || originMode) text += `${region ?? ""}${this.#cursor(originMode)}`;
    if (this.#charset !== "B" && cursorX >= 0) text += `\x1b(${this.#charset}`;
    return text;
  }

  // --- internal ---

  #cursor(originMode: boolean): string {
    const { cursorX, cursorY, type } = this.#terminal.buffer.active;
    const top = originMode ? Number(/\d+/.exec(this.#regions[type] ?? "")?.[0] ?? 1) - 1 : 0;
    return `\x1b[${cursorY - top + 1};${Math.min(cursorX + 1, this.#terminal.cols)}H`;
  }

  #setModes(params: (number | number[])[], to: "h" | "l"): boolean {
    for (const mode of params) {
      if (typeof mode !== "number") continue;
      if (mode === CURSOR_VISIBLE || mode === CURSOR_BLINKS || mode === ALTERNATE_SCROLL)
        this.#keep(mode, to);
      else if (MOUSE_ENCODINGS.has(mode)) {
        for (const other of MOUSE_ENCODINGS) this.#modes.delete(other);
        if (to === "h") this.#modes.set(mode, to);
      }
      if (to === "l" && (mode === 47 || mode === 1047 || mode === 1049)) this.#regions.alternate = null;
    }
    return false;
  }

  #keep(mode: number, to: "h" | "l"): void {
    const initial = mode === CURSOR_VISIBLE ? "h" : "l";
    if (to === initial) this.#modes.delete(mode);
    else this.#modes.set(mode, to);
  }

  #setRegion(top: number | number[] | undefined, bottom: number | number[] | undefined): boolean {
    const { rows, buffer } = this.#terminal;
    const first = typeof top === "number" && top > 0 ? top : 1;
    const last = typeof bottom === "number" && bottom > 0 && bottom <= rows ? bottom : rows;
    if (last > first) {
      this.#regions[buffer.active.type] = first === 1 && last === rows ? null : `\x1b[${first};${last}r`;
    }
    return false;
  }

  #softReset(): boolean {
    this.#modes.delete(CURSOR_VISIBLE);
    this.#regions[this.#terminal.buffer.active.type] = null;
    this.#charset = "B";
    return false;
  }

  #reset(): boolean {
    this.#modes.clear();
    this.#cursorStyle = 0;
    this.#title = "";
    this.#charset = "B";
    this.#regions = { normal: null, alternate: null };
    return false;
  }
}
