/**
 * Finds the sequences that change modes in output that is not parsed. So a screen can skip megabytes and still be in the
 * right modes.
 */
import { ALTERNATE_SCREENS, TERMINAL_MODES } from "../protocol/terminal-modes.ts";

/** Bound of a sequence that two pieces cut, characters: longer ones (titles) are missed. */
const LONGEST = 512;
/** Bound of the colours and attributes since the last reset. */
const MAX_ATTRIBUTES = 32;
/** Bound of the changes of key levels: terminals have 16 of them. */
const MAX_LEVELS = 32;
/** Colours come by the thousand: only the last bytes are searched for them. */
const ATTRIBUTES_BYTES = 1024;
const EMPTY = new Uint8Array(0);
const ALTERNATE = new Set(ALTERNATE_SCREENS.map(String));

/** The modes of skipped output. Owned by a `Screen`; every table has a bound. */
export class SkippedModes {
  /** Sequences by the mode that they set: the last one of each, in order. */
  readonly #modes = new Map<string, string>();
  /** The last bytes, which have the last colours. */
  #end: Uint8Array = EMPTY;
  #cut = "";
  #levels = 0;

  /** Takes skipped output, in pieces of any size, in order. */
  take(bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (this.#cut === "" && !STARTS.some((start) => buffer.includes(start))) {
      this.#end = endOf(this.#end, bytes);
      return;
    }
    const piece = buffer.toString("latin1");
    const text = this.#cut === "" ? piece : this.#cut + piece;
    let end = 0;
    SEQUENCE.lastIndex = 0;
    for (let match = SEQUENCE.exec(text); match; match = SEQUENCE.exec(text)) {
      end = SEQUENCE.lastIndex;
      this.#note(match);
    }
    this.#end = endOf(this.#end, bytes);
    const last = openAt(text);
    const tail = last >= end && text.length - last <= LONGEST ? text.slice(last) : "";
    this.#cut = COMPLETE.test(tail) ? "" : tail;
  }

  /** The sequences that set the modes of the skipped output; empty where it changed none. */
  peek(): Uint8Array {
    return Buffer.from([...this.#modes.values(), ...attributesIn(this.#end)].join(""), "latin1");
  }

  /** The same, and starts over. */
  flush(): Uint8Array {
    const sequences = this.peek();
    this.#modes.clear();
    this.#end = EMPTY;
    this.#cut = "";
    return sequences;
  }

  // --- internal ---

  #note([sequence, privateModes, to]: RegExpExecArray): void {
    if (privateModes !== undefined) for (const mode of privateModes.split(";")) this.#private(mode, to ?? "");
    else if (sequence === "\x1bc") this.#reset(sequence);
    else if (LEVEL.test(sequence)) this.#level(sequence);
    else if (!OTHER_MODE.test(sequence)) this.#set(keyOf(sequence), sequence);
  }

  #private(mode: string, to: string): void {
    if (!TERMINAL_MODES.has(Number(mode))) return;
    const key = `?${mode}`;
    const sequence = `\x1b[?${mode}${to}`;
    // Left and entered again: the terminal must drop the earlier program's drawing. Each keeps its place among the others,
    // since leaving also restores the cursor with its shift and colours.
    const left = ALTERNATE.has(mode) && to === "h" && this.#modes.get(key)?.endsWith("l");
    if (!left) this.#modes.delete(`${key}h`);
    this.#set(left ? `${key}h` : key, sequence);
  }

  /** Kitty's key levels are a stack, so the last `MAX_LEVELS` all count. */
  #level(sequence: string): void {
    this.#levels = (this.#levels + 1) % MAX_LEVELS;
    this.#set(`level${this.#levels}`, sequence);
  }

  #reset(sequence: string): void {
    this.#modes.clear();
    this.#modes.set("c", sequence);
  }

  #set(key: string, sequence: string): void {
    this.#modes.delete(key);
    this.#modes.set(key, sequence);
  }
}

// --- internal ---

/** Select Graphic Rendition, and the resets. */
const ATTRIBUTES = /\x1b(?:\[(?:([\d;:]*)m|!p)|c)/g;

/** A complete sequence; strings (titles) end further on. */
const COMPLETE = /^\x1b(?:\[[ -?]*[@-~]|[()].|[^[\]()])/;

/**
 * In this order: private modes, whose parts are captured; scroll region, insert and newline mode, cursor style, protection;
 * keys of kitty and xterm; soft reset; keypad, full reset, shifts, character sets; titles, colours and links; shifts. One ESC
 * in front of all: most sequences are others, and have to fail fast.
 */
const SEQUENCE =
  /\x1b(?:\[(?:\?([\d;]+)([hl])|[\d;]*(?:[rhl]| q|"q)|[<>=][\d;]{0,32}[umn]|!p)|[=>cno]|[()*+][ -~]|\](?:0|1|2|4|8|1[0-2]|104|11[0-2])(?:;[^\x07\x1b]{0,256})?(?:\x07|\x1b\\))|[\x0e\x0f]/g;

/** Bytes that a sequence begins with, ESC and the shifts: a search for them is several times as fast as `SEQUENCE`. */
const STARTS = [0x1b, 0x0e, 0x0f];

/** The start of the last sequence. An ESC at the very end may be half of a string's terminator. */
function openAt(text: string): number {
  const last = text.lastIndexOf("\x1b");
  if (last !== text.length - 1) return last;
  const string = text.lastIndexOf("\x1b]");
  return string >= 0 && text.indexOf("\x1b", string + 1) === last && !text.includes("\x07", string)
    ? string
    : last;
}

/** A copy of the last bytes of both pieces together. */
function endOf(before: Uint8Array, bytes: Uint8Array): Uint8Array {
  const all = bytes.length < ATTRIBUTES_BYTES ? Buffer.concat([before, bytes]) : bytes;
  return new Uint8Array(all.subarray(-ATTRIBUTES_BYTES));
}

/** The attributes at the end. */
function attributesIn(bytes: Uint8Array): string[] {
  let held: string[] = [];
  for (const [sequence, attributes] of Buffer.from(bytes).toString("latin1").matchAll(ATTRIBUTES)) {
    if (!attributes || attributes === "0") held = [];
    if (attributes !== undefined) held.push(sequence);
  }
  return held.slice(-MAX_ATTRIBUTES);
}

/** Pushes or pops a level of kitty's keys. */
const LEVEL = /^\x1b\[[<>=][\d;]*u$/;

/** Sets an ANSI mode other than insert and newline mode: no screen shows it. */
const OTHER_MODE = /^\x1b\[(?!(?:4|20)[hl])[\d;]*[hl]$/;

/** The same key for sequences of which a later one replaces an earlier one. */
function keyOf(sequence: string): string {
  const [, second = "", third = ""] = sequence;
  if (sequence.length === 1 || second === "n" || second === "o") return "shift";
  if (second === "]") return colourKey(sequence);
  if ("()*+".includes(second)) return second;
  if (second === "=" || second === ">") return "keypad";
  if (sequence.endsWith(" q")) return "cursor";
  if (sequence.endsWith('"q')) return "protection";
  if (sequence.endsWith("r")) return "region";
  if (sequence.endsWith("p")) return "soft reset";
  if ("<>=".includes(third)) return `keys${third}${sequence.slice(3, 4)}`;
  return `${third}h`;
}

/** A title, a link, or a colour; the reset of a colour replaces it. */
function colourKey(sequence: string): string {
  const [, number = "", index = ""] = /^\x1b\](\d+)(?:;(\d{1,3})(?=;))?/.exec(sequence) ?? [];
  if (number === "4") return `colour${index}`;
  if (number === "104") return "colours";
  return number.length === 3 ? `osc${number.slice(1)}` : `osc${number}`;
}
