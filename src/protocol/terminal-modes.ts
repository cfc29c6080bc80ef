/**
 * The private modes of terminals (`CSI ? N h` and `l`) that are tracked: by the gateway for the screen of a new viewer, by
 * the client to reset its terminal when it leaves. Other modes are passed on without a record, so the record has a bound.
 * Names and numbers as in xterm's ctlseqs.
 */

/** One private mode. */
export interface TerminalMode {
  readonly name: string;
  /** The value after a reset; null where terminals differ. */
  readonly initial: "h" | "l" | null;
  /** At most one mode of a group is on: setting one resets the others. */
  readonly group?: "screen" | "mouse" | "mouse encoding";
  /** xterm.js tracks it. */
  readonly native?: true;
}

const screen = { initial: "l", group: "screen", native: true } as const;
const mouse = { initial: "l", group: "mouse" } as const;
const encoding = { initial: "l", group: "mouse encoding" } as const;

export const TERMINAL_MODES: ReadonlyMap<number, TerminalMode> = new Map<number, TerminalMode>([
  [1, { name: "application cursor keys", initial: "l", native: true }],
  [5, { name: "reverse video", initial: "l" }],
  [6, { name: "origin", initial: "l", native: true }],
  [7, { name: "autowrap", initial: "h", native: true }],
  [8, { name: "auto-repeat", initial: "h" }],
  [9, { name: "mouse: X10", ...mouse, native: true }],
  [12, { name: "blinking cursor", initial: null }],
  [25, { name: "visible cursor", initial: "h", native: true }],
  [45, { name: "reverse wraparound", initial: "l", native: true }],
  [47, { name: "alternate screen", ...screen }],
  [66, { name: "application keypad", initial: "l", native: true }],
  [67, { name: "backarrow sends backspace", initial: null }],
  [69, { name: "left and right margins", initial: "l" }],
  [80, { name: "sixel display", initial: "l" }],
  [1000, { name: "mouse: buttons", ...mouse, native: true }],
  [1001, { name: "mouse: highlight", ...mouse }],
  [1002, { name: "mouse: drags", ...mouse, native: true }],
  [1003, { name: "mouse: all motion", ...mouse, native: true }],
  [1004, { name: "focus reports", initial: "l", native: true }],
  [1005, { name: "mouse in UTF-8", ...encoding }],
  [1006, { name: "mouse in SGR", ...encoding, native: true }],
  [1007, { name: "wheel as cursor keys", initial: "l" }],
  [1015, { name: "mouse in urxvt's way", ...encoding }],
  [1016, { name: "mouse in pixels", ...encoding, native: true }],
  [1034, { name: "8-bit meta", initial: null }],
  [1036, { name: "meta sends escape", initial: null }],
  [1039, { name: "alt sends escape", initial: null }],
  [1042, { name: "urgency on bell", initial: null }],
  [1047, { name: "alternate screen, cleared", ...screen }],
  [1049, { name: "alternate screen, cursor saved", ...screen }],
  [2004, { name: "bracketed paste", initial: "l", native: true }],
  [2026, { name: "synchronized output", initial: "l", native: true }],
  [2027, { name: "grapheme clusters", initial: null }],
  [2031, { name: "colour scheme reports", initial: "l", native: true }],
  [2048, { name: "size reports in band", initial: "l" }],
  [9001, { name: "win32 input", initial: "l" }],
]);

/** The modes that switch to the alternate screen. */
export const ALTERNATE_SCREENS: readonly number[] = [47, 1047, 1049];
