/** How the sequences of a terminal's output are found that `ScreenModes` follows. */

/**
 * The sequences that count: private modes, keys, ANSI modes with margins, titles and tab stops, cursor shape, protection,
 * soft reset; keypad, full reset, tab stops and shifts; character sets; and what begins a string. Most of what is looked
 * at are colours, which have to fail fast.
 */
export const SEQUENCE =
  /\x1b[\x00-\x17\x7f]*(?:\[[\x00-\x17\x7f]*(?:\?([\d;:\x00-\x17\x7f]+)([hl])|([<>=])([\d;:\x00-\x17\x7f]*)([umn])|([\d;:\x00-\x17\x7f]*)( q|"q|[rhlgstu])|!p)|[=>cHno|}~78]|([()*+])([^\x1b])|([PX^_\]]))|[\x0e\x0f]/g;
/** Bytes that one of these begins with: ESC and the shifts. */
export const STARTS = [0x1b, 0x0e, 0x0f];
/** Take effect in the middle of a sequence, and are no part of it. */
export const CONTROLS = /[\x00-\x17\x7f]+/g;
export const HAS_CONTROL = /[\x00-\x17\x7f]/;

/** One that has its end, whatever it is. Strings are followed elsewhere. */
export const COMPLETE =
  /^\x1b[\x00-\x17\x7f]*(?:\[[^@-~\x1b]*[@-~]|[()*+#% ][\s\S]|[^[()*+#% \x1b\x00-\x17\x7f])/;
