/**
 * Makes a terminal's past safe to replay: it draws the same and asks nothing. A terminal would answer each question in
 * the unfiltered past into the shell that runs now.
 */
import { mayRepeatCsi, mayRepeatDcs, mayRepeatEscape, mayRepeatOsc, turnOfMode } from "./replay-rules.ts";

/** The state of a parser of terminal output; `dcs` and `mute` (SOS, PM, APC) are strings like `osc`. */
type State = "ground" | "escape" | "csi" | "osc" | "dcs" | "mute";

/** Bound of a sequence, UTF-16 units; a longer one is left out. */
const LONGEST = 256 * 1024;

/** What is not printed and is no harmless control: ENQ, ESC, and the C1 controls. */
const SPECIAL = /[\x05\x1b\x80-\x9f]/g;
const CONTROL = /[\x00-\x1f\x80-\x9f]/g;
const CSI_PARTS = /^([<=>?]?)([\d:;]*)([ -/]*)$/;
const STARTS: Readonly<Record<string, State | undefined>> = {
  ...{ "[": "csi", "]": "osc", P: "dcs", X: "mute", "^": "mute", _: "mute" },
  ...{ "\x9b": "csi", "\x9d": "osc", "\x90": "dcs", "\x98": "mute", "\x9e": "mute", "\x9f": "mute" },
};
/** Index, next line, tab stop, reverse index, single shifts, as one unit each. */
const HARMLESS_C1 = "\x84\x85\x88\x8d\x8e\x8f";
const CAN = "\x18";
const SUB = "\x1a";

/** Takes output in pieces of any size, in order, and gives whole sequences and text. One for each replay. */
export class ReplayFilter {
  #state: State = "ground";
  /** The open sequence: its introducer, and its content without controls. */
  #start = "";
  #content = "";
  /** Input modes that were changed, under their numbers; the last change counts. */
  readonly #modes = new Map<string, "h" | "l">();
  #hasMargins = false;
  #hasSideMargins = false;

  /** The part that may be shown; an unfinished sequence is kept until it is whole. */
  push(text: string): string {
    let out = "";
    let at = 0;
    while (at < text.length) {
      const end = this.#runEnd(text, at);
      if (this.#state === "ground") out += text.slice(at, end);
      else if (end > at) this.#add(text.slice(at, end));
      if (end < text.length) out += this.#take(text.charAt(end));
      at = end + 1;
    }
    return out;
  }

  /** Output before the part that is shown: sets only the parser's state and the input modes. */
  skip(text: string): void {
    this.push(text);
    this.#hasMargins = false;
  }

  /** True in the middle of a sequence. */
  get isInside(): boolean {
    return this.#state !== "ground";
  }

  /**
   * To be shown last: resets the margins, which were another terminal's; sets the input modes; and opens the sequence
   * of which the live output has the rest.
   */
  end(): string {
    let text = this.#hasSideMargins ? "\x1b[?69l" : "";
    // Setting margins puts the cursor home.
    if (this.#hasMargins) text += "\x1b7\x1b[r\x1b8";
    for (const [mode, to] of this.#modes) text += `\x1b[?${mode}${to}`;
    const isWhole = this.#content.length < LONGEST;
    text += this.#start + (isWhole ? this.#content : "");
    this.#reset();
    this.#modes.clear();
    this.#hasMargins = false;
    this.#hasSideMargins = false;
    return text;
  }

  // --- internal ---

  /** The end of the units that need no look one by one. */
  #runEnd(text: string, at: number): number {
    if (this.#state === "escape" || this.#state === "csi") return at;
    if (this.#state === "dcs" && isHeader(this.#content)) return at;
    const pattern = this.#state === "ground" ? SPECIAL : CONTROL;
    pattern.lastIndex = at;
    return pattern.exec(text)?.index ?? text.length;
  }

  #take(unit: string): string {
    if (unit >= "\x80" && unit <= "\x9f") return this.#takeC1(unit);
    if (unit === "\x1b") return this.#begin("escape", unit);
    if (unit === CAN || unit === SUB) return this.#abandon();
    switch (this.#state) {
      case "ground":
        return unit === "\x05" ? "" : unit;
      case "escape":
        return this.#takeEscape(unit);
      case "csi":
        return this.#takeCsi(unit);
      case "dcs":
        return this.#takeDcs(unit);
      case "osc":
        return this.#takeOsc(unit);
      case "mute":
        return "";
    }
  }

  #takeC1(unit: string): string {
    const state = STARTS[unit];
    if (state) return this.#begin(state, unit);
    const done = this.#endString("\x1b\\", unit === "\x9c");
    return done + (HARMLESS_C1.includes(unit) ? unit : "");
  }

  #takeEscape(unit: string): string {
    if (unit < " ") return unit === "\x05" ? "" : unit; // done at once, in the middle of the sequence
    if (unit === "\x7f") return "";
    if (unit > "\x7f") return this.#abandon();
    const state = this.#content === "" ? STARTS[unit] : undefined;
    if (state) return this.#begin(state, `\x1b${unit}`);
    this.#content += unit;
    if (unit < "0") return "";
    const content = this.#content;
    this.#reset();
    if (content === "c") this.#wasReset();
    return mayRepeatEscape(content) ? `\x1b${content}` : "";
  }

  #takeCsi(unit: string): string {
    if (unit < " ") return unit === "\x05" ? "" : unit;
    if (unit === "\x7f") return "";
    const parts = CSI_PARTS.exec(this.#content);
    if (unit > "\x7f") return parts ? this.#abandon() : "";
    if (unit < "@") {
      this.#add(unit);
      return "";
    }
    const start = this.#start;
    this.#reset();
    if (!parts) return "";
    const [, prefix = "", params = "", intermediates = ""] = parts;
    return this.#control(start, prefix, params, intermediates + unit);
  }

  #control(start: string, prefix: string, params: string, rest: string): string {
    if (!mayRepeatCsi(prefix, params, rest)) return "";
    if (prefix === "?" && (rest === "h" || rest === "l")) return this.#setModes(start, params, rest);
    if (prefix === "" && rest === "r") this.#hasMargins ||= /[1-9]/.test(params);
    if (rest === "!p") this.#hasMargins = false;
    return start + prefix + params + rest;
  }

  #setModes(start: string, params: string, to: "h" | "l"): string {
    const inPlace: string[] = [];
    for (const mode of params.split(";")) {
      const turn = turnOfMode(mode);
      if (turn === "in place") inPlace.push(mode);
      if (turn !== "at the end") continue;
      this.#modes.delete(mode);
      this.#modes.set(mode, to);
    }
    if (inPlace.includes("69")) this.#hasSideMargins = to === "h";
    return inPlace.length > 0 ? `${start}?${inPlace.join(";")}${to}` : "";
  }

  #takeDcs(unit: string): string {
    // In its head a string of this kind is read as a control sequence is.
    const isBroken = unit > "\x7f" && isHeader(this.#content) && CSI_PARTS.test(this.#content);
    if (isBroken) return this.#abandon();
    if (unit >= " " && unit !== "\x7f") this.#add(unit);
    return "";
  }

  #takeOsc(unit: string): string {
    return unit === "\x07" ? this.#endString(unit, true) : "";
  }

  #add(text: string): void {
    if (this.#content.length < LONGEST) this.#content += text;
  }

  /** A new sequence; it ends a string, and undoes any other sequence that was not finished. */
  #begin(state: State, start: string): string {
    const done = this.#endString("\x1b\\", start === "\x1b");
    this.#state = state;
    this.#start = start;
    return done;
  }

  /** @param isProper false where a string is broken off */
  #endString(terminator: string, isProper: boolean): string {
    const [state, start, content] = [this.#state, this.#start, this.#content];
    this.#reset();
    if (!isProper || content.length >= LONGEST) return "";
    const passes = (state === "osc" && mayRepeatOsc(content)) || (state === "dcs" && mayRepeatDcs(content));
    return passes ? start + content + terminator : "";
  }

  #abandon(): string {
    this.#reset();
    return "";
  }

  #reset(): void {
    this.#state = "ground";
    this.#start = "";
    this.#content = "";
  }

  #wasReset(): void {
    this.#modes.clear();
    this.#hasMargins = false;
    this.#hasSideMargins = false;
  }
}

// --- internal ---

/** Of a DCS: its final is still to come. */
function isHeader(content: string): boolean {
  return !/[@-~]/.test(content);
}

/**
 * `shown`, safe to replay.
 * @param before the output before it, as far as it is known: a sequence may be unfinished at its end
 */
export function replayOf(before: string, shown: string): string {
  const filter = new ReplayFilter();
  filter.skip(before);
  // The terminal may have been shown the first half of it: CAN ends that.
  const cancel = filter.isInside ? CAN : "";
  return cancel + filter.push(shown) + filter.end();
}
