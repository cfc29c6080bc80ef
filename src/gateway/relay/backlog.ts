/** The last text of a session under running offsets: for viewers that come back after a drop, and for new ones. */

/** UTF-16 units that are kept. */
const CAPACITY = 256 * 1024;
/** What a new viewer is shown of it, UTF-16 units: a few screens. */
const RECENT = 16 * 1024;
/** A program took the alternate screen, or gave it back. */
const ALTERNATE_SCREEN = /\x1b\[\?(?:1049|1047|47)([hl])/g;
const LONGEST_SWITCH = "\x1b[?1049h".length;
/** A piece that is shorter is added to. */
const PIECE = 4 * 1024;
/** Viewers whose place is remembered. */
const MAX_PLACES = 64;

export class Backlog {
  #pieces: string[] = [];
  #start = 0;
  #end = 0;
  #shellStart = 0;
  #alternate = false;
  #lastUnits = "";
  readonly #places = new Map<string, number>();

  append(text: string): void {
    const last = this.#pieces.at(-1);
    // Keystrokes are gathered, or there would be a piece for each.
    if (last !== undefined && last.length < PIECE) this.#pieces[this.#pieces.length - 1] = last + text;
    else this.#pieces.push(text);
    this.#watchScreen(text);
    this.#end += text.length;
    while (this.#pieces.length > 1 && this.#end - this.#start - (this.#pieces[0]?.length ?? 0) >= CAPACITY) {
      this.#start += this.#pieces.shift()?.length ?? 0;
    }
  }

  /** Remembers that this viewer has been sent everything up to now. */
  leave(viewerId: string): void {
    this.#places.delete(viewerId);
    this.#places.set(viewerId, this.#end);
    for (const [oldest] of this.#places) {
      if (this.#places.size <= MAX_PLACES) break;
      this.#places.delete(oldest);
    }
  }

  /** What came since this viewer left; `lost` units of it are gone. Nothing for one that was not here before. */
  comeBack(viewerId: string): { text: string; lost: number; known: boolean } {
    const place = this.#places.get(viewerId);
    this.#places.delete(viewerId);
    if (place === undefined) return { text: "", lost: 0, known: false };
    const kept = this.#pieces.join("");
    const from = Math.max(0, place - this.#start);
    return { text: kept.slice(from), lost: Math.max(0, this.#start - place), known: true };
  }

  /** Its shell ended: what comes from now on is another one's. */
  shellEnded(): void {
    this.#shellStart = this.#end;
    this.#alternate = false;
  }

  /**
   * What a viewer that was not here before is shown: the last lines, from the beginning of one. Nothing of a program
   * on the alternate screen, whose text means nothing without all that came before it; it draws itself anew when the
   * size changes.
   */
  recent(): string {
    if (this.#alternate) return "";
    const kept = this.#pieces.join("").slice(Math.max(0, this.#shellStart - this.#start));
    if (kept.length <= RECENT && this.#start <= this.#shellStart) return kept;
    const tail = kept.slice(-RECENT);
    const line = tail.indexOf("\n");
    return line < 0 ? "" : `\x1b[0m${tail.slice(line + 1)}`;
  }

  // --- internal ---

  #watchScreen(text: string): void {
    const seen = this.#lastUnits + text;
    for (const [, to] of seen.matchAll(ALTERNATE_SCREEN)) this.#alternate = to === "h";
    this.#lastUnits = seen.slice(1 - LONGEST_SWITCH);
  }
}
