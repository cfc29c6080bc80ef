/** The last text of a session under running offsets, for a viewer that comes back after its line dropped. */

/** UTF-16 units that are kept. */
const CAPACITY = 256 * 1024;
/** Viewers whose place is remembered. */
const MAX_PLACES = 64;

export class Backlog {
  #pieces: string[] = [];
  #start = 0;
  #end = 0;
  readonly #places = new Map<string, number>();

  append(text: string): void {
    this.#pieces.push(text);
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
}
