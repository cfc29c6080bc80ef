/**
 * What a remote program has changed in the terminal and not changed back, so that exactly that can be undone when the
 * connection ends under a full-screen program. (Undoing all that might be changed would move the cursor: leaving an
 * alternate screen that was never entered restores an old position.) Owned by the terminal; whatever is output, it looks
 * at each byte once and remembers no more than the modes there are.
 */
import { ALTERNATE_SCREENS, TERMINAL_MODES } from "../../protocol/terminal-modes.ts";
import { COMPLETE, CONTROLS, HAS_CONTROL, SEQUENCE, STARTS } from "./screen-sequences.ts";
import { ScreenStrings } from "./screen-strings.ts";

/** A longer sequence is none that we follow. */
const LONGEST = 64;
/** Levels of kitty's keys that terminals keep. */
const MOST_LEVELS = 64;
/** Titles that terminals keep on their stack. */
const MOST_TITLES = 10;
/** xterm's resources for keys (`CSI > Pp ; Pv m`). */
const MOST_KEYS = 8;
/** ANSI modes that are followed, and what they are at rest: keyboard locked, insert, no local echo, new line. */
const ANSI_MODES: Readonly<Record<number, "h" | "l">> = { 2: "l", 4: "l", 12: "h", 20: "l" };
/** A terminal whose size is not known. */
const COLUMNS = 80;
/** Private modes that are saved with the cursor: origin and autowrap. */
const SAVED_MODES = [6, 7];
const UNSAVED: SavedWithCursor = { shift: false, sets: [], modes: [] };
const CANCEL = "\x18\x1b\\";

type ScreenName = "normal" | "alternate";

/** What a terminal saves with the cursor (DECSC). */
interface SavedWithCursor {
  shift: boolean;
  /** Slots of character sets that are not ASCII. */
  sets: readonly string[];
  /** Of `SAVED_MODES`, those that are changed. */
  modes: readonly number[];
}

/** State of one terminal, as the output so far has changed it. The terminal owns it, and shows it every byte. */
export class ScreenModes {
  /** What came last of a sequence that goes on. */
  #cut = "";
  /** A sequence that is too long to be followed goes on. */
  #long = false;
  readonly #strings = new ScreenStrings();
  readonly #changed = new Map<number, "h" | "l">();
  readonly #ansi = new Set<number>();
  readonly #keys = new Set<number>();
  /** Levels of kitty's keys on each screen, and whether they were set beside that. */
  #levels = { normal: 0, alternate: 0 };
  readonly #flagged = new Set<ScreenName>();
  /** Screens that have margins, or tab stops of their own: some terminals have them for each, some for both. */
  readonly #margins = new Set<ScreenName>();
  readonly #tabs = new Set<ScreenName>();
  readonly #saved = { normal: UNSAVED, alternate: UNSAVED };
  readonly #titles: string[] = [];
  readonly #sets = new Set<string>();
  #shift = false;
  #keypad = false;
  #cursorShape = false;
  #protected = false;
  #openCharacter = false;
  #startsLine = true;

  /** What came last was complete: no sequence, string or character is left open. */
  get atRest(): boolean {
    const { isOpen, isAjar } = this.#strings;
    return this.#cut === "" && !this.#long && !isOpen && !isAjar && !this.#openCharacter;
  }

  /** An alternate screen is on. */
  get alternate(): boolean {
    return ALTERNATE_SCREENS.some((mode) => this.#changed.has(mode));
  }

  /** What came last was a new line. */
  get startsLine(): boolean {
    return this.#startsLine;
  }

  /** To be shown everything that goes to the screen. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#openCharacter = endsInside(bytes);
    this.#startsLine = bytes.at(-1) === 0x0a;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    // Nothing is open, and nothing begins: looking for that is several times as fast.
    const { isOpen, isAjar } = this.#strings;
    const isPlain = this.#cut === "" && !this.#long && !isOpen && !isAjar;
    if (isPlain && !STARTS.some((start) => buffer.includes(start))) return;
    const piece = buffer.toString("latin1");
    const text = this.#cut === "" ? piece : this.#cut + piece;
    if (this.#long) this.#long = !/[@-~\x18\x1a\x1b]/.test(piece);
    let from = this.#strings.isOpen ? this.#strings.goOn(text, 0) : 0;
    SEQUENCE.lastIndex = from;
    for (let match = SEQUENCE.exec(text); match; match = SEQUENCE.exec(text)) {
      const [, , , , , , , , , , string] = match;
      if (string === undefined) this.#note(match);
      else SEQUENCE.lastIndex = this.#strings.begin(string, text, SEQUENCE.lastIndex);
      from = SEQUENCE.lastIndex;
    }
    this.#strings.looked(text);
    const last = this.#strings.isOpen ? -1 : text.lastIndexOf("\x1b");
    const tail = last < from ? "" : text.slice(last, last + LONGEST + 1);
    this.#cut = tail === "" || COMPLETE.test(tail) || text.length - last > LONGEST ? "" : tail;
    if (tail.length > LONGEST && !COMPLETE.test(text.slice(last))) this.#long = true;
  }

  /**
   * What brings the terminal back; empty where nothing is changed and nothing is left open.
   * @param cols of the terminal
   */
  restore(cols = COLUMNS): string {
    const changes = this.#undo(cols);
    const { isOpen, isAjar } = this.#strings;
    const open = isOpen || isAjar || this.#cut !== "" ? CANCEL : "";
    return changes === "" ? open : `${open}${changes}\x1b[0m\x1b(B`;
  }

  /** The same, where a sequence that is too long to be followed may be open. */
  ending(cols = COLUMNS): string {
    const text = this.restore(cols);
    return this.#long && !text.startsWith(CANCEL) ? CANCEL + text : text;
  }

  /** Everything is as it was: `restore` was written. */
  reset(): void {
    this.#cut = "";
    this.#long = false;
    this.#strings.reset();
    this.#forget();
  }

  // --- internal ---

  /** What a full reset (ESC c) undoes by itself. */
  #forget(): void {
    this.#strings.forget();
    this.#changed.clear();
    this.#ansi.clear();
    this.#keys.clear();
    this.#sets.clear();
    this.#titles.length = 0;
    this.#saved.normal = this.#saved.alternate = UNSAVED;
    this.#levels = { normal: 0, alternate: 0 };
    for (const screens of [this.#flagged, this.#margins, this.#tabs]) screens.clear();
    this.#shift = this.#keypad = this.#cursorShape = this.#protected = false;
  }

  #undo(cols: number): string {
    const screens = ALTERNATE_SCREENS.filter((mode) => this.#changed.has(mode));
    const [early, late] = [
      screens.length > 0 ? "alternate" : "normal",
      screens.length > 0 ? "normal" : null,
    ] as const;
    const others = [...this.#changed.keys()].filter(
      (mode) => !screens.includes(mode) && !SAVED_MODES.includes(mode) && mode !== 25,
    );
    // Leaving the screen that saves the cursor brings back what was saved with it: that is undone behind it.
    // Not every terminal brings all of that back (tmux neither origin nor autowrap): what is on goes off before it, too.
    const restores = screens.includes(1049);
    const own = restores ? this.#undoSaved(this.#current(), false) : "";
    const saved = this.#undoSaved(restores ? this.#saved.normal : this.#current(), true);
    return [
      this.#undoKeys(early),
      ...[...this.#keys].map((key) => `\x1b[>${key}m`),
      this.#undoPlaces(early, cols),
      ...others.map((mode) => `\x1b[?${mode}${TERMINAL_MODES.get(mode)?.initial ?? "l"}`),
      ...[...this.#ansi].map((mode) => `\x1b[${mode}${ANSI_MODES[mode]}`),
      this.#protected ? '\x1b[0"q' : "",
      own,
      ...screens.map((mode) => `\x1b[?${mode}l`),
      late ? this.#undoKeys(late) + this.#undoPlaces(late, cols) : "",
      saved,
      this.#strings.undo(),
      ...this.#titles.map((which) => `\x1b[23${which}t`).reverse(),
      this.#keypad ? "\x1b>" : "",
      this.#cursorShape ? "\x1b[0 q" : "",
      this.#changed.has(25) ? "\x1b[?25h" : "",
    ].join("");
  }

  #undoSaved({ shift, sets, modes }: SavedWithCursor, homes: boolean): string {
    return [
      ...modes.map((mode) => `\x1b[?${mode}${TERMINAL_MODES.get(mode)?.initial}`),
      // The end of the origin mode puts the cursor home: text goes on below all that is shown.
      modes.includes(6) && homes ? "\x1b[999B" : "",
      shift ? "\x0f" : "",
      ...sets.map((slot) => `\x1b${slot}B`),
    ].join("");
  }

  /** What resets margins and tab stops moves the cursor: kept in place around it. */
  #undoPlaces(screen: ScreenName, cols: number): string {
    const text = (this.#margins.has(screen) ? "\x1b[r" : "") + (this.#tabs.has(screen) ? tabStops(cols) : "");
    return text && `\x1b7${text}\x1b8`;
  }

  #undoKeys(screen: ScreenName): string {
    const levels = this.#levels[screen];
    return `${levels > 0 ? `\x1b[<${levels}u` : ""}${this.#flagged.has(screen) ? "\x1b[=0u" : ""}`;
  }

  #note(match: RegExpExecArray): void {
    const parts = HAS_CONTROL.test(match[0]) ? match.map((part) => part?.replace(CONTROLS, "")) : match;
    const [sequence, modes, to, level, numbers = "", key, parameters = "", final, slot, set] = parts;
    if (modes !== undefined)
      for (const mode of modes.split(";")) this.#setMode(Number.parseInt(mode, 10), to === "h" ? "h" : "l");
    else if (level !== undefined) this.#setKeys(level, numbers, key ?? "");
    else if (final !== undefined) this.#control(parameters, final);
    else if (slot !== undefined) this.#designate(slot, set ?? "B");
    else if (sequence === "\x1b=") this.#keypad = true;
    else if (sequence === "\x1b>") this.#keypad = false;
    else if (sequence === "\x1bH") this.#tabs.add(this.#screen);
    else if (sequence === "\x1b7") this.#save();
    else if (sequence === "\x1b8") this.#bringBack();
    else if (sequence === "\x1bc") this.#forget();
    else if (match[0] === "\x0f") this.#shift = false;
    else if (sequence === "\x1b[!p") this.#softReset();
    // Shifts, some of which mean something else to some terminals.
    else this.#shift = true;
  }

  /** What a terminal saves with the cursor, for each of its screens. */
  #save(): void {
    this.#saved[this.#screen] = this.#current();
  }

  #current(): SavedWithCursor {
    const modes = SAVED_MODES.filter((mode) => this.#changed.has(mode));
    return { shift: this.#shift, sets: [...this.#sets], modes };
  }

  #bringBack(): void {
    const { shift, sets, modes } = this.#saved[this.#screen];
    this.#shift = shift;
    this.#sets.clear();
    for (const set of sets) this.#sets.add(set);
    for (const mode of SAVED_MODES) this.#changed.delete(mode);
    for (const mode of modes) this.#changed.set(mode, TERMINAL_MODES.get(mode)?.initial === "h" ? "l" : "h");
  }

  #setMargins(on: boolean): void {
    if (on) this.#margins.add(this.#screen);
    else this.#margins.delete(this.#screen);
  }

  get #screen(): ScreenName {
    return this.alternate ? "alternate" : "normal";
  }

  #control(parameters: string, final: string): void {
    if (final === "r") this.#setMargins(parameters !== "");
    else if (final === " q") this.#cursorShape = parameters !== "" && parameters !== "0";
    else if (final === '"q') this.#protected = parameters === "1";
    else if (final === "g") this.#tabs.add(this.#screen);
    else if (final === "s" && parameters === "") this.#save();
    else if (final === "u") this.#bringBack();
    else if (final === "t") this.#stackTitle(parameters);
    else if (final === "h" || final === "l") {
      for (const mode of parameters.split(";").map((each) => Number.parseInt(each, 10))) {
        if (ANSI_MODES[mode] === undefined) continue;
        if (ANSI_MODES[mode] === final) this.#ansi.delete(mode);
        else this.#ansi.add(mode);
      }
    }
  }

  /** `CSI 22` puts a title on a stack, `CSI 23` takes it off: what is left on it is the one that was there before. */
  #stackTitle(parameters: string): void {
    const [what, ...which] = parameters.split(";");
    if (what === "22" && this.#titles.length < MOST_TITLES)
      this.#titles.push(/^[012]$/.test(which[0] ?? "") ? `;${which[0]}` : "");
    else if (what === "23") this.#titles.pop();
  }

  #designate(slot: string, set: string): void {
    if (set === "B") this.#sets.delete(slot);
    else this.#sets.add(slot);
  }

  /** Kitty's levels (`u`), and xterm's other keys (`m`, `n`). */
  #setKeys(level: string, numbers: string, key: string): void {
    const [first = "", second = ""] = numbers.split(";");
    if (key === "u") this.#setLevels(level, Number(first));
    else if (level === ">" && /^\d$/.test(first) && Number(first) < MOST_KEYS) {
      if (key === "m" && Number(second) > 0) this.#keys.add(Number(first));
      else this.#keys.delete(Number(first));
    }
  }

  #setLevels(how: string, count: number): void {
    const levels = this.#levels;
    const screen = this.#screen;
    if (how === ">") levels[screen] = Math.min(MOST_LEVELS, levels[screen] + 1);
    else if (how === "<") levels[screen] = Math.max(0, levels[screen] - Math.max(1, count || 1));
    else if (count > 0) this.#flagged.add(screen);
  }

  #setMode(number: number, to: "h" | "l"): void {
    // These save the cursor before they switch screens, and restore it behind that.
    const saves = number === 1048 || number === 1049;
    if (saves && to === "h") this.#save();
    this.#switch(number, to);
    if (saves && to === "l") this.#bringBack();
  }

  #switch(number: number, to: "h" | "l"): void {
    const mode = TERMINAL_MODES.get(number);
    if (!mode || mode.initial === null) return;
    if (mode.group === "screen" && to === "l") {
      // All three are one screen. Where margins and tab stops are of both, they are still there.
      for (const screen of ALTERNATE_SCREENS) this.#changed.delete(screen);
      for (const places of [this.#margins, this.#tabs]) if (places.delete("alternate")) places.add("normal");
    }
    if (to === mode.initial) this.#changed.delete(number);
    else this.#changed.set(number, to);
  }

  /** DECSTR: only what every terminal resets by it. */
  #softReset(): void {
    for (const mode of [6, 25, 66]) this.#changed.delete(mode);
    this.#ansi.delete(2);
    this.#ansi.delete(4);
    this.#saved[this.#screen] = UNSAVED;
    this.#sets.clear();
    this.#setMargins(false);
    this.#keypad = this.#protected = this.#shift = false;
  }
}

/** Every eighth column, as terminals begin. */
function tabStops(cols: number): string {
  let text = "\x1b[3g";
  for (let column = 1; column <= cols; column += 8) text += `\x1b[${column}G\x1bH`;
  return text;
}

/** True where the last bytes begin a character of UTF-8 that goes on. */
function endsInside(bytes: Uint8Array): boolean {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return false;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2);
  }
  return false;
}
