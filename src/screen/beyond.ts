/**
 * Terminal state that xterm.js does not keep (further modes, the palette, reports of keys), or keeps without a bound
 * (links). Recorded by handlers in its parser.
 */
import type { Terminal } from "@xterm/headless";
import { ALTERNATE_SCREENS, TERMINAL_MODES } from "../protocol/terminal-modes.ts";
import type { Core } from "./xterm-core.ts";

/** Bound of the links of all cells. */
const MAX_LINKS = 4_096;
/** At the bound, unused links are searched again after so many new ones: the search looks at every cell. */
const RETRY_LINKS = 4_096;
/** Bound of one colour, characters. */
const MAX_COLOUR = 64;
/** Foreground, background and cursor: OSC 10, 11, 12. */
const DYNAMIC = [10, 11, 12];
/** xterm's resources for keys (`CSI > Pp ; Pv m`). */
const KEY_RESOURCES = 8;

/** The state of one headless terminal that xterm.js lacks. Owned by its engine; every table has a bound. */
export class Beyond {
  readonly #core: Core;
  readonly #modes = new Map<number, "h" | "l">();
  readonly #colours = new Map<string, string>();
  readonly #keys = new Map<number, number>();
  #links = new Map<number, string>();
  #numbers = new Map<string, number>();
  #nextLink = 1;
  #refused = 0;

  constructor(terminal: Terminal, core: Core) {
    this.#core = core;
    const { parser } = terminal;
    // A handler that returns false lets the terminal's own handler run.
    parser.registerCsiHandler({ prefix: "?", final: "h" }, (params) => this.#setModes(params, "h"));
    parser.registerCsiHandler({ prefix: "?", final: "l" }, (params) => this.#setModes(params, "l"));
    parser.registerCsiHandler({ prefix: ">", final: "m" }, ([what, value]) => this.#setKeys(what, value));
    parser.registerCsiHandler({ prefix: ">", final: "n" }, ([what]) => this.#setKeys(what, undefined));
    parser.registerEscHandler({ final: "c" }, () => this.#reset());
    parser.registerOscHandler(4, (data) => this.#setPalette(data));
    parser.registerOscHandler(104, (data) => this.#resetPalette(data));
    for (const which of DYNAMIC) {
      parser.registerOscHandler(which, (data) => this.#setDynamic(which, data));
      parser.registerOscHandler(which + 100, () => this.#colours.delete(String(which)));
    }
    parser.registerOscHandler(8, (data) => this.#openLink(data));
  }

  /** The sequence that opens a link by its number; 0 closes it. */
  link(id: number): string {
    return `\x1b]8;${this.#links.get(id) ?? ";"}\x07`;
  }

  /** The sequences that set this state in a terminal after a reset. */
  serialize(): string {
    const modes = [...this.#modes].map(([mode, to]) => `\x1b[?${mode}${to}`);
    const colours = [...this.#colours].map(([what, colour]) => `\x1b]${what};${colour}\x07`);
    const keys = [...this.#keys].map(([what, value]) => `\x1b[>${what};${value}m`);
    return [...modes, ...colours, ...keys].join("");
  }

  // --- internal ---

  #setModes(params: (number | number[])[], to: "h" | "l"): boolean {
    this.#keepKeyLevels(params, to);
    for (const number of params) {
      const mode = typeof number === "number" ? TERMINAL_MODES.get(number) : undefined;
      if (typeof number !== "number" || !mode) continue;
      if (mode.group === "mouse" || mode.group === "mouse encoding") {
        for (const other of this.#modes.keys())
          if (TERMINAL_MODES.get(other)?.group === mode.group) this.#modes.delete(other);
      }
      if (mode.native) continue;
      if (to === mode.initial) this.#modes.delete(number);
      else this.#modes.set(number, to);
    }
    return false;
  }

  /**
   * A program may enter the alternate screen twice, or leave it twice: terminals ignore that. xterm.js exchanges the
   * kitty flags of the two screens all the same: exchanged before, they come out as they were.
   */
  #keepKeyLevels(params: (number | number[])[], to: "h" | "l"): void {
    const { buffers, coreService } = this.#core;
    const isAlternate = buffers.active === buffers.alt;
    if (isAlternate !== (to === "h")) return;
    if (!params.some((mode) => typeof mode === "number" && ALTERNATE_SCREENS.includes(mode))) return;
    const keys = coreService.kittyKeyboard;
    const { flags, mainFlags, altFlags } = keys;
    if (isAlternate) Object.assign(keys, { flags: mainFlags, altFlags: flags });
    else Object.assign(keys, { flags: altFlags, mainFlags: flags });
  }

  #setKeys(what: number | number[] | undefined, value: number | number[] | undefined): boolean {
    if (typeof what !== "number" || what >= KEY_RESOURCES) return false;
    if (typeof value === "number" && value > 0) this.#keys.set(what, value);
    else this.#keys.delete(what);
    return false;
  }

  #setPalette(data: string): boolean {
    const parts = data.split(";");
    for (let index = 0; index + 1 < parts.length; index += 2) {
      const [number = "", colour = ""] = parts.slice(index, index + 2);
      if (/^\d{1,3}$/.test(number) && Number(number) < 256) this.#setColour(`4;${Number(number)}`, colour);
    }
    return true;
  }

  #resetPalette(data: string): boolean {
    for (const key of [...this.#colours.keys()]) {
      if (key.startsWith("4;") && (data === "" || data.split(";").includes(key.slice(2))))
        this.#colours.delete(key);
    }
    return true;
  }

  #setDynamic(first: number, data: string): boolean {
    for (const [index, colour] of data.split(";").slice(0, DYNAMIC.length).entries()) {
      if (DYNAMIC.includes(first + index)) this.#setColour(String(first + index), colour);
    }
    return true;
  }

  #setColour(what: string, colour: string): void {
    // `?` is a question, which the viewer's terminal answers.
    if (colour === "?" || colour === "" || colour.length > MAX_COLOUR) return;
    this.#colours.set(what, colour);
  }

  /** Replaces xterm.js's handler, which makes a marker for each line of each link. */
  #openLink(data: string): boolean {
    const split = data.indexOf(";");
    if (split < 0) return true;
    const hasAddress = data.length > split + 1;
    if (!hasAddress && data.slice(0, split).trim() !== "") return true;
    const pen = this.#core._inputHandler._curAttrData;
    pen.extended = pen.extended.clone();
    pen.extended.urlId = hasAddress ? this.#numberOf(data) : 0;
    pen.updateExtended();
    return true;
  }

  #numberOf(link: string): number {
    const known = this.#numbers.get(link);
    if (known !== undefined) return known;
    if (this.#links.size >= MAX_LINKS) {
      // Further links are shown without an address.
      this.#refused = (this.#refused + 1) % RETRY_LINKS;
      if (this.#refused !== 1) return 0;
      this.#forgetUnused();
      if (this.#links.size >= MAX_LINKS) return 0;
      this.#refused = 0;
    }
    const number = this.#nextLink;
    this.#nextLink += 1;
    this.#links.set(number, link);
    this.#numbers.set(link, number);
    return number;
  }

  #forgetUnused(): void {
    const used = new Set<number>();
    for (const { lines } of [this.#core.buffers.normal, this.#core.buffers.alt]) {
      for (let row = 0; row < lines.length; row += 1) {
        const line = lines.get(row);
        for (let column = 0; line && column < line.length; column += 1)
          if (line.getBg(column) & 0x10000000) used.add(line.getExtended(column).urlId);
      }
    }
    this.#links = new Map([...this.#links].filter(([number]) => used.has(number)));
    this.#numbers = new Map([...this.#links].map(([number, link]) => [link, number]));
  }

  #reset(): boolean {
    this.#modes.clear();
    this.#colours.clear();
    this.#keys.clear();
    // A reset also shows the cursor and ends newline mode, which xterm.js leaves out.
    this.#core.coreService.isCursorHidden = false;
    this.#core.options.convertEol = false;
    return false;
  }
}
