/**
 * What a terminal would still know of output that it never parsed: the sequences in it that change modes. So a screen
 * can leave out megabytes and yet go on in the right modes.
 */

/** Characters that a sequence cut in two may have: longer ones (titles) are missed. */
const LONGEST = 512;
/** Colours and attributes since the last reset that are kept. */
const MAX_ATTRIBUTES = 32;
const ALTERNATE_SCREENS = new Set(["47", "1047", "1049"]);

export class SkippedModes {
  /** Sequences under the mode that they set: only the last one of each counts, in the order of those. */
  readonly #modes = new Map<string, string>();
  #attributes: string[] = [];
  #cut = "";

  /** Output that is left out; any pieces, in order. */
  take(bytes: Uint8Array): void {
    const text = this.#cut + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
    let end = 0;
    SEQUENCE.lastIndex = 0;
    for (let match = SEQUENCE.exec(text); match; match = SEQUENCE.exec(text)) {
      end = SEQUENCE.lastIndex;
      this.#note(match);
    }
    const last = text.lastIndexOf("\x1b");
    this.#cut = last >= end && text.length - last <= LONGEST ? text.slice(last) : "";
  }

  /** What puts a terminal into the modes of what was taken, as bytes; empty where that changed none. */
  flush(): Uint8Array {
    const sequences = [...this.#modes.values(), ...this.#attributes].join("");
    this.#modes.clear();
    this.#attributes = [];
    this.#cut = "";
    return Buffer.from(sequences, "latin1");
  }

  // --- internal ---

  #note([sequence, privateModes, to, attributes]: RegExpExecArray): void {
    if (attributes !== undefined) this.#attribute(sequence, attributes);
    else if (privateModes !== undefined)
      for (const mode of privateModes.split(";")) this.#private(mode, to ?? "");
    else if (sequence === "\x1bc") this.#reset(sequence);
    else this.#set(keyOf(sequence), sequence);
  }

  #private(mode: string, to: string): void {
    const key = `?${mode}`;
    const sequence = `\x1b[?${mode}${to}`;
    const left = ALTERNATE_SCREENS.has(mode) && to === "h" && this.#modes.get(key)?.includes(`${mode}l`);
    // Left and entered again: the terminal must let go of what the earlier program had drawn.
    this.#set(key, left ? `\x1b[?${mode}l${sequence}` : sequence);
  }

  #attribute(sequence: string, attributes: string): void {
    if (attributes === "" || attributes === "0") this.#attributes = [];
    this.#attributes.push(sequence);
    if (this.#attributes.length > MAX_ATTRIBUTES) this.#attributes.shift();
  }

  #reset(sequence: string): void {
    this.#modes.clear();
    this.#attributes = [];
    this.#modes.set("c", sequence);
  }

  #set(key: string, sequence: string): void {
    this.#modes.delete(key);
    this.#modes.set(key, sequence);
  }
}

// --- internal ---

/**
 * In this order: attributes (SGR) and private modes, whose parts are captured; scroll region, insert and newline mode,
 * keypad, cursor style, character sets, shifts, soft and full reset, titles.
 */
const SEQUENCE = new RegExp(
  [
    String.raw`\x1b\[(?:\?([\d;]+)([hl])|([\d;:]*)m`,
    String.raw`\d*;?\d*r|(?:4|20)[hl]|\d* q|!p)`,
    String.raw`\x1b(?:[=>c]|[()][ -~]|\](?:0|2);[^\x07\x1b]{0,256}(?:\x07|\x1b\\))`,
    String.raw`[\x0e\x0f]`,
  ].join("|"),
  "g",
);

/** The same for sequences of which the later one undoes the earlier. */
function keyOf(sequence: string): string {
  const [, second = "", third = ""] = sequence;
  if (sequence.length === 1) return "shift";
  if (second === "]") return `title${third}`;
  if (second === "(" || second === ")") return second;
  if (second === "=" || second === ">") return "keypad";
  if (sequence.endsWith(" q")) return "cursor";
  if (sequence.endsWith("r")) return "region";
  if (sequence.endsWith("p")) return "soft reset";
  return `${third}h`;
}
