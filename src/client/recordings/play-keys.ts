/** The keys of a player. */

/** What a key means; seconds to go forward, or back. */
export type PlayKey = "pause" | "quit" | { seconds: number };

const STEP = 5;
const LEAP = 60;

/** Sequences that terminals send for arrows, in both of their modes. */
const KEYS: readonly (readonly [string, PlayKey])[] = [
  ["\x1b[C", { seconds: STEP }],
  ["\x1bOC", { seconds: STEP }],
  ["\x1b[D", { seconds: -STEP }],
  ["\x1bOD", { seconds: -STEP }],
  ["\x1b[A", { seconds: LEAP }],
  ["\x1bOA", { seconds: LEAP }],
  ["\x1b[B", { seconds: -LEAP }],
  ["\x1bOB", { seconds: -LEAP }],
  [" ", "pause"],
  ["q", "quit"],
  ["Q", "quit"],
  ["\x03", "quit"],
  ["\x04", "quit"],
];

/** The keys in what was typed; others mean nothing. */
export function playKeys(bytes: Uint8Array): PlayKey[] {
  const keys: PlayKey[] = [];
  const text = Buffer.from(bytes).toString("latin1");
  for (let at = 0; at < text.length; ) {
    const found = KEYS.find(([sequence]) => text.startsWith(sequence, at));
    if (found) keys.push(found[1]);
    at += found?.[0].length ?? lengthOf(text, at);
  }
  return keys;
}

// --- internal ---

/** Of a sequence that means nothing here: its letters are no keys. */
function lengthOf(text: string, at: number): number {
  return /^\x1b(?:\[[0-9;?<]*[@-~]|O.|.)?/s.exec(text.slice(at, at + 64))?.[0].length ?? 1;
}
