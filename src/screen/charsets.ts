/** Sequences that designate and shift a terminal's character sets. */
import { Terminal } from "@xterm/headless";
import { type Charset, coreOf } from "./xterm-core.ts";

const NAMES = [..."0A4CRQKYEZH="];
/** Introducers of a set's name, for G0 to G3. */
const SLOTS = ["(", ")", "*", "+"];
const SHIFTS = ["\x0f", "\x0e", "\x1bn", "\x1bo"];
let names: Map<Charset, string> | null = null;

/** Designates the sets that are not ASCII. */
export function designated(charsets: readonly Charset[]): string {
  return SLOTS.map((slot, index) => {
    const charset = charsets[index];
    return charset ? `\x1b${slot}${known().get(charset) ?? "B"}` : "";
  }).join("");
}

/** Designates ASCII again for the same sets. */
export function undesignated(charsets: readonly Charset[]): string {
  return SLOTS.map((slot, index) => (charsets[index] ? `\x1b${slot}B` : "")).join("");
}

/** Shifts one of G0 to G3 in. */
export function shifted(level: number): string {
  return SHIFTS[level] ?? "";
}

// --- internal ---

/** The names of the sets, which a terminal does not keep: tried out once. */
function known(): Map<Charset, string> {
  if (names) return names;
  const terminal = new Terminal({ cols: 2, rows: 1, allowProposedApi: true, logLevel: "off" });
  const core = coreOf(terminal);
  names = new Map();
  for (const name of NAMES) {
    core.writeSync(`\x1b(${name}`);
    names.set(core._charsetService.charset, name);
  }
  terminal.dispose();
  return names;
}
