/**
 * Filters output for a headless terminal: text and complete sequences pass, with counts no larger than the screen. So no
 * output makes the terminal loop or grow without a bound, and its parser is at rest wherever a snapshot is cut.
 */
import {
  C1_LEAD,
  characterLength,
  introduced,
  isC1,
  type Sequence,
  type SequenceKind,
  sequenceAt,
} from "./sequences.ts";

/** Bound of an incomplete sequence, bytes. Longer ones are skipped as they come. */
export const MAX_OPEN_BYTES = 4 * 1024;
/** Bound of a title, a link or a colour, bytes. */
const MAX_OSC_BYTES = 4 * 1024;
/** Parameters of a sequence: xterm.js takes 32. */
const MAX_PARAMETERS = 32;
const ESC = 0x1b;
const DEL = 0x7f;
/** Without effect, except that like every sequence it keeps a combining character from joining the text before. */
const NOTHING = Uint8Array.of(0);
const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8");

/** Sequences whose parameters are counts or places on the screen. */
const COUNTED = /^[@A-IL-MPSTXZ^`a-bde-fr]$/;
/** OSC sequences that a snapshot contains: titles, palette, links, colours, and their resets. */
const KEPT_OSC = /^(?:0|1|2|4|8|10|11|12|104|110|111|112)(?=;|$)/;

/** The filter of one engine, which owns it. Buffers at most `MAX_OPEN_BYTES`. */
export class OutputFilter {
  /** An incomplete sequence or character, not passed on yet. */
  #open: Uint8Array = EMPTY;
  /** The kind of an open sequence of more than `MAX_OPEN_BYTES`. */
  #long: SequenceKind | null = null;

  /** Bytes at the end of the input that were not passed on: a terminal that continues from there needs them. */
  get openBytes(): number {
    return this.#open.length;
  }

  /** The sequence that opens the same long string in another terminal; empty outside of one. */
  get opening(): string {
    if (this.#long === null) return "";
    // No terminal knows these, so each ignores the rest up to its end.
    return this.#long === "osc" ? "\x1b]7777;" : this.#long === "string" ? "\x1b_-" : "\x1b[<=";
  }

  /** Drops the open sequence. */
  cancel(): void {
    this.#open = EMPTY;
    this.#long = null;
  }

  /** Takes the next output. @returns the part for the terminal */
  push(bytes: Uint8Array, size: { cols: number; rows: number }): Uint8Array {
    let data = this.#open.length > 0 ? Buffer.concat([this.#open, bytes]) : bytes;
    this.#open = EMPTY;
    const parts: Uint8Array[] = [];
    if (this.#long !== null) data = this.#skip(this.#long, data, parts);
    let start = 0;
    for (let at = 0; at < data.length; ) {
      const byte = data[at] ?? 0;
      if (byte !== ESC && byte < DEL) {
        at += 1;
        continue;
      }
      if (byte > DEL && !(byte === C1_LEAD && isC1(data, at) !== false)) {
        const length = characterLength(data, at);
        if (length !== null) {
          at += length;
          continue;
        }
      }
      parts.push(data.subarray(start, at));
      const next = byte === DEL ? at + 1 : this.#sequence(data, at, parts, size);
      if (next === null) {
        this.#keep(data, at);
        return Buffer.concat(parts);
      }
      at = next;
      start = next;
    }
    return start === 0 && parts.length === 0 ? data : Buffer.concat([...parts, data.subarray(start)]);
  }

  // --- internal ---

  /** The sequence at `at`. @returns its end, or null where it is incomplete */
  #sequence(
    data: Uint8Array,
    at: number,
    parts: Uint8Array[],
    size: { cols: number; rows: number },
  ): number | null {
    const second = data[at + 1];
    if (second === undefined || (data[at] ?? 0) > C1_LEAD) return null;
    const isEscape = data[at] === ESC;
    const kind = introduced(isEscape ? second : second - 0x40);
    if (!isEscape && kind === "esc") {
      parts.push(data.subarray(at, at + 2));
      return at + 2;
    }
    const found = sequenceAt(kind, data, kind === "esc" ? at + 1 : at + 2);
    if (found) parts.push(...encoded(found, size));
    return found?.end ?? null;
  }

  #keep(data: Uint8Array, at: number): void {
    if (data.length - at <= MAX_OPEN_BYTES) {
      this.#open = new Uint8Array(data.subarray(at));
      return;
    }
    const second = data[at + 1] ?? 0;
    this.#long = introduced(data[at] === ESC ? second : second - 0x40);
  }

  /** Drops the long sequence. @returns the input behind it */
  #skip(kind: SequenceKind, data: Uint8Array, parts: Uint8Array[]): Uint8Array {
    const found = sequenceAt(kind, data, 0);
    if (!found) {
      // A character at the very end may be the one that ends it.
      if (data.at(-1) === C1_LEAD) this.#open = Uint8Array.of(C1_LEAD);
      return EMPTY;
    }
    this.#long = null;
    parts.push(Uint8Array.from([...found.executed, 0]));
    return data.subarray(found.end);
  }
}

// --- internal ---

/** The sequence as the terminal gets it. */
function encoded(found: Sequence, size: { cols: number; rows: number }): Uint8Array[] {
  const executed = found.executed.length > 0 ? [Uint8Array.from(found.executed)] : [];
  switch (found.kind) {
    case "none":
      return [...executed, NOTHING];
    case "esc":
      return [...executed, encoder.encode(`\x1b${found.intermediates}${found.final}`)];
    case "osc":
      return [...executed, osc(found.body)];
    case "csi": {
      const { prefix, intermediates, final } = found;
      const params = bounded(
        found.params,
        prefix === "" && isCounted(intermediates, final) ? final : "",
        size,
      );
      return [...executed, encoder.encode(`\x1b[${prefix}${params}${intermediates}${final}`)];
    }
  }
}

function isCounted(intermediates: string, final: string): boolean {
  if (intermediates === " ") return final === "@" || final === "A";
  if (intermediates === "'") return final === "}" || final === "~";
  return intermediates === "" && COUNTED.test(final);
}

/** @param counted the final byte of a sequence whose numbers are counts; empty for others */
function bounded(params: string, counted: string, { cols, rows }: { cols: number; rows: number }): string {
  if (params.length <= 2) return params;
  const all = params.split(";", MAX_PARAMETERS);
  if (counted === "") return all.join(";");
  return all
    .map((each) => each.replace(/^\d+/, (n) => String(count(Number(n), counted, cols, rows))))
    .join(";");
}

function count(wanted: number, final: string, cols: number, rows: number): number {
  if (final !== "b") return Math.min(wanted, Math.max(cols, rows) + 1);
  // Beyond a whole screen, each further row of a repetition looks the same.
  const most = cols * rows;
  return wanted <= most ? wanted : most + (wanted % cols) - (most % cols);
}

function osc(body: Uint8Array): Uint8Array {
  if (body.length > MAX_OSC_BYTES) return NOTHING;
  const text = decoder.decode(body).replace(/[\x00-\x1f\x7f-\x9f]/g, "");
  return KEPT_OSC.test(text) ? encoder.encode(`\x1b]${text}\x07`) : NOTHING;
}
