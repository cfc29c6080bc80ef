/**
 * Rows of a screen as text, for a terminal with a plain pen and its cursor in the first column of an empty row. A row leaves
 * the pen plain.
 */
import { COLOUR, isErased, type Look, lookOf, PLAIN, penTo, sameLook } from "./attributes.ts";
import type { Core, Line } from "./xterm-core.ts";

/** A character of two columns. */
const WIDE = "\u3000";
/** The join state of xterm.js after a plain character. */
const AFTER_ASCII = 2;

/** How one row is written. */
export interface RowOptions {
  /** Opens a link by its number; 0 closes it. */
  link(id: number): string;
  /** Text alone, without colours and combining characters. */
  plain: boolean;
  /** Columns before this one are not empty. */
  dirty: number;
}

/** Writes one row, whole or cell by cell. Short-lived: one for each row. */
export class RowWriter {
  readonly #core: Core;
  readonly #line: Line;
  readonly #options: RowOptions;
  #text = "";
  #look = PLAIN;
  /** The cursor's column; -1 where it is not known, `cols` behind the last column. */
  #at = 0;
  /** The join state for the next character; 0 for none. */
  #join = 0;
  /** Columns before this one may not be empty. */
  #dirtyTo: number;

  constructor(core: Core, line: Line, options: RowOptions) {
    this.#core = core;
    this.#line = line;
    this.#options = options;
    this.#dirtyTo = options.dirty;
  }

  /** The whole row. `full` says that the cursor stands behind its last column. */
  row(): { text: string; full: boolean } {
    const columns = this.#core.cols;
    for (let column = 0; column < columns; column += Math.max(1, this.#width(column))) this.cell(column);
    const full = this.#at === columns;
    return { text: this.finish(), full };
  }

  /** Writes one cell; a blank one only over a cell that is not empty. */
  cell(column: number): void {
    const whole = this.#line.getString(column);
    const text = this.#options.plain ? firstOf(whole) : whole;
    const look = this.lookAt(column);
    const width = this.#width(column);
    if (text === "" || width === 0) this.#blank(column, look);
    else this.#print(column, look, text, width);
  }

  /** The last cell of the row, wherever the cursor is. */
  lastCell(): string {
    const last = this.#core.cols - 1;
    this.#at = -1;
    this.cell(last > 0 && this.#width(last) === 0 ? last - 1 : last);
    return this.finish();
  }

  /** The text so far, ending with a plain pen. */
  finish(): string {
    this.pen(PLAIN);
    const text = this.#text;
    this.#text = "";
    return text;
  }

  pen(look: Look): void {
    if (sameLook(look, this.#look)) return;
    const pen = { ...look, link: 0 };
    if (!sameLook(pen, { ...this.#look, link: 0 })) this.#control(penTo(look, this.#look));
    if (look.link !== this.#look.link) this.#control(this.#options.link(look.link));
    this.#look = look;
  }

  lookAt(column: number): Look {
    if (this.#options.plain) return PLAIN;
    const line = this.#line;
    return lookOf(line.getFg(column), line.getBg(column), line.getExtended(column));
  }

  // --- internal ---

  #width(column: number): number {
    return this.#line.getWidth(column);
  }

  #control(text: string): void {
    this.#text += text;
    this.#join = 0;
  }

  #to(column: number): void {
    if (this.#at === column) return;
    this.#control(`\x1b[${column + 1}G`);
    this.#at = column;
  }

  #print(column: number, look: Look, text: string, width: number): void {
    this.pen(look);
    this.#to(column);
    const { unicodeService } = this.#core;
    let join = this.#join;
    for (const [index, char] of [...text].entries()) {
      const code = char.codePointAt(0) ?? 0;
      if (code < 0x7f && join >> 3 === 0) {
        join = AFTER_ASCII;
        continue;
      }
      let next = unicodeService.charProperties(code, join);
      // A separate character must not join the one before it.
      if (index === 0 && next & 1) {
        this.#control(`\x1b[${column + 1}G`);
        next = unicodeService.charProperties(code, 0);
      }
      join = next;
    }
    this.#text += text;
    this.#join = join;
    this.#at = ((join >> 1) & 3) === width ? column + width : -1;
    this.#dirtyTo = Math.max(this.#dirtyTo, column + width);
  }

  #blank(column: number, look: Look): void {
    const isDirty = column < this.#dirtyTo;
    if (isErased(look)) {
      if (look.bg === 0 && !isDirty) return;
      this.#erase(column, look.bg);
    } else if (column + 1 < this.#core.cols) this.#halve(column, look);
    else this.#halveLast(column, look);
  }

  #erase(column: number, bg: number): void {
    this.pen({ ...PLAIN, bg: bg & COLOUR });
    this.#to(column);
    this.#control("\x1b[X");
  }

  /** A blank cell with a look is the rest of a wide character whose other half was overwritten. */
  #halve(column: number, look: Look): void {
    this.pen(look);
    this.#to(column);
    this.#control(`${WIDE}\x1b[${column + 2}G \x1b[${column + 2}G`);
    this.#at = column + 1;
    this.#dirtyTo = Math.max(this.#dirtyTo, column + 2);
  }

  #halveLast(column: number, look: Look): void {
    const before = this.#width(column - 1) === 0 ? column - 2 : column - 1;
    if (column === 0 || before < 0) {
      this.#erase(column, look.bg);
      return;
    }
    this.pen(look);
    this.#to(column - 1);
    this.#control(`${WIDE}\x1b[${column}G `);
    this.#at = -1;
    this.#dirtyTo = column;
    const last = this.lookAt(before);
    if (this.#line.getString(before) === "" && !isErased(last)) this.#erase(before, last.bg);
    else this.cell(before);
  }
}

// --- internal ---

function firstOf(text: string): string {
  const [first = ""] = text;
  return first;
}
