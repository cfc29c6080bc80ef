/**
 * Finds the end of one control sequence in a terminal's output, by the state machine of DEC's terminals
 * (vt100.net/emu/dec_ansi_parser) as xterm.js has it: C1 controls come as UTF-8, and each of them, like ESC, ends an open
 * sequence. Every function looks at each byte once.
 */

interface Ended {
  /** Offset of the first byte behind it. */
  end: number;
  /** C0 controls in the middle of it, which take effect before it does. */
  executed: number[];
}

/** A complete sequence. */
export type Sequence =
  | (Ended & { kind: "csi"; prefix: string; params: string; intermediates: string; final: string })
  | (Ended & { kind: "esc"; intermediates: string; final: string })
  | (Ended & { kind: "osc"; body: Uint8Array })
  /** Without effect on a screen: DCS, APC, PM, SOS, cancelled and invalid sequences. */
  | (Ended & { kind: "none" });

export type SequenceKind = "csi" | "esc" | "osc" | "string";

const CAN = 0x18;
const SUB = 0x1a;
const ESC = 0x1b;
const DEL = 0x7f;
/** The first byte of C1 controls in UTF-8. */
export const C1_LEAD = 0xc2;

/** True for a C1 control at `at`; null where the input is too short to tell. */
export function isC1(data: Uint8Array, at: number): boolean | null {
  if (data[at] !== C1_LEAD) return false;
  const next = data[at + 1];
  return next === undefined ? null : next >= 0x80 && next < 0xa0;
}

/** Bytes of the character at `at`: 1 for what is no UTF-8; null where the input ends inside it. */
export function characterLength(data: Uint8Array, at: number): number | null {
  const lead = data[at] ?? 0;
  const length = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
  for (let next = 1; next < length; next += 1) {
    const byte = data[at + next];
    if (byte === undefined) return null;
    if ((byte & 0xc0) !== 0x80) return 1;
  }
  return length;
}

/** The kind of sequence that a byte behind ESC (or a C1 control less 0x40) introduces. */
export function introduced(byte: number): SequenceKind {
  if (byte === 0x5b) return "csi";
  if (byte === 0x5d) return "osc";
  // DCS, SOS, PM, APC
  return byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f ? "string" : "esc";
}

/** The sequence whose introducer ends before `from`; null where it is incomplete. */
export function sequenceAt(kind: SequenceKind, data: Uint8Array, from: number): Sequence | null {
  if (kind === "csi") return csi(data, from, []);
  if (kind === "esc") return escaped(data, from);
  return text(kind, data, from, []);
}

// --- internal ---

/** A byte inside of a CSI or ESC sequence that is no part of it. @returns bytes to skip, or the ended sequence */
function foreign(
  data: Uint8Array,
  at: number,
  executed: number[],
  swallows: boolean,
): Sequence | number | null {
  const byte = data[at] ?? 0;
  if (byte === ESC) return { kind: "none", end: at, executed };
  if (byte === CAN || byte === SUB) {
    executed.push(byte);
    return { kind: "none", end: at + 1, executed };
  }
  if (byte < 0x20) executed.push(byte);
  if (byte <= DEL) return 1;
  const c1 = isC1(data, at);
  const length = characterLength(data, at);
  if (c1 === null || length === null) return null;
  if (c1) return { kind: "none", end: at, executed };
  // A non-ASCII character ends a sequence and is lost with it.
  return length > 1 && !swallows ? { kind: "none", end: at + length, executed } : length;
}

function csi(data: Uint8Array, from: number, executed: number[]): Sequence | null {
  const { fromCharCode } = String;
  let prefix = "";
  let params = "";
  let intermediates = "";
  let ignored = false;
  for (let at = from; at < data.length; ) {
    const byte = data[at] ?? 0;
    if (byte < 0x20 || byte >= DEL) {
      const step = foreign(data, at, executed, ignored);
      if (typeof step !== "number") return step;
      at += step;
      continue;
    }
    at += 1;
    if (byte >= 0x40) {
      if (ignored || intermediates.length > 2) return { kind: "none", end: at, executed };
      return { kind: "csi", end: at, executed, prefix, params, intermediates, final: fromCharCode(byte) };
    }
    if (byte < 0x30) intermediates += fromCharCode(byte);
    else if (intermediates !== "") ignored = true;
    else if (byte < 0x3c) params += fromCharCode(byte);
    else if (prefix === "" && params === "") prefix = fromCharCode(byte);
    else ignored = true;
  }
  return null;
}

function escaped(data: Uint8Array, from: number): Sequence | null {
  const executed: number[] = [];
  let intermediates = "";
  for (let at = from; at < data.length; ) {
    const byte = data[at] ?? 0;
    if (byte < 0x20 || byte >= DEL) {
      const step = foreign(data, at, executed, false);
      if (typeof step !== "number") return step;
      at += step;
      continue;
    }
    at += 1;
    if (byte < 0x30) {
      intermediates += String.fromCharCode(byte);
      continue;
    }
    const kind = intermediates === "" ? introduced(byte) : "esc";
    // A control stood between ESC and the introduced sequence.
    if (kind === "csi") return csi(data, at, executed);
    if (kind !== "esc") return text(kind, data, at, executed);
    if (intermediates.length > 2) return { kind: "none", end: at, executed };
    return { kind, end: at, executed, intermediates, final: String.fromCharCode(byte) };
  }
  return null;
}

/** OSC and the strings without effect on a screen, up to their terminator. */
function text(kind: "osc" | "string", data: Uint8Array, from: number, executed: number[]): Sequence | null {
  for (let at = from; at < data.length; at += 1) {
    const byte = data[at] ?? 0;
    if (byte >= 0x20 && byte !== C1_LEAD) continue;
    if (byte === ESC) return closed(kind, data.subarray(from, at), at, executed);
    if (byte === CAN || byte === SUB) {
      executed.push(byte);
      return { kind: "none", end: at + 1, executed };
    }
    if (byte === 0x07 && kind === "osc") return closed(kind, data.subarray(from, at), at + 1, executed);
    const c1 = isC1(data, at);
    if (c1 === null) return null;
    if (!c1) continue;
    if (data[at + 1] === 0x9c) return closed(kind, data.subarray(from, at), at + 2, executed);
    return { kind: "none", end: at, executed };
  }
  return null;
}

function closed(kind: "osc" | "string", body: Uint8Array, end: number, executed: number[]): Sequence {
  return kind === "osc" ? { kind, end, executed, body } : { kind: "none", end, executed };
}
