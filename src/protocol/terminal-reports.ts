/** What a terminal sends by itself: answers to a program's questions, focus, the mouse. No key makes any of these. */

const REPORTS: readonly string[] = [
  // Device attributes, status, cursor position, modes, size, keyboard levels: CSI … c n R $y t u
  "\\x1b\\[[?>=][\\d;]*\\$?[a-zA-Z]",
  "\\x1b\\[\\d+;\\d+R",
  "\\x1b\\[\\d+n",
  "\\x1b\\[\\d*;?\\d*\\$y",
  "\\x1b\\[\\d+(?:;\\d+){1,6}t",
  // Focus
  "\\x1b\\[[IO]",
  // Mouse: as X10 has it, and as SGR and urxvt have it
  "\\x1b\\[M[\\s\\S]{3}",
  "\\x1b\\[<[\\d;]+[mM]",
  "\\x1b\\[\\d+;\\d+;\\d+M",
  // Colours, settings, names: strings of OSC, DCS, APC and PM
  "\\x1b[\\]P_^][^\\x07\\x1b]*(?:\\x07|\\x1b\\\\)",
];
const ONLY_REPORTS = new RegExp(`^(?:${REPORTS.join("|")})+$`);

/** A report is short: what is longer was typed or pasted. */
const LONGEST = 4_096;

/** True for input that is nothing but such reports. One that is cut in the middle is none. */
export function isReport(bytes: Uint8Array): boolean {
  if (bytes.length > LONGEST || bytes[0] !== 0x1b) return false;
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return ONLY_REPORTS.test(text);
}
