/**
 * One row of a screen as text. Each is made for a terminal whose pen is plain and whose cursor is in the first column of
 * an empty row, and leaves the pen plain.
 */
import { COLOUR, isErased, type Look, lookOf, PLAIN, penTo, sameLook } from "./attributes.ts";
import type { Core, Line } from "./xterm-core.ts";

/** A character of two columns. */
const WIDE = "\u3000";
/** What xterm.js remembers of a plain character for the next one to join. */
const AFTER_ASCII = 2;

export interface RowOptions {
  /** Opens a link by its number; 0 closes it. */
  link(id: number): string;
  /** Text alone, in no colours and without combining characters. */
  plain: boolean;
  /** Columns before this one have something in them already. */
  dirty: number;
}

export class RowWriter {
  readonly #core: Core;
  readonly #line: Line;
  readonly #options: RowOptions;
  #text = "";
  #look = PLAIN;
  /** Where the cursor is; -1 where that is not sure. `columns` behind the last one. */
  #at = 0;
  /** What the next character may join; 0 for nothing. */
  #join = 0;
  /** Columns before this one may have something in them. */
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

  /** The cell at this column alone: a blank one is drawn only over something else. */
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

  /** What was written, with a plain pen at its end. */
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
      // A character of its own must not become part of the one before it.
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

  /** A blank cell in all colours is what is left of a wide character when its other half is written over. */
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
