/**
 * The internals of xterm.js that screens need: its public interface has neither underline styles nor the saved cursor, tab
 * stops, character sets or links. The version is pinned; another one with other internals is refused at once.
 */
import type { IUnicodeVersionProvider, Terminal } from "@xterm/headless";

/** The pen: colours and styles, with the underline and the link in `extended`. */
export interface Attributes {
  fg: number;
  bg: number;
  extended: Extended;
  updateExtended(): void;
}

/** The underline and the link of a cell or the pen. */
export interface Extended {
  urlId: number;
  /** The underline's style and colour, packed. */
  readonly _ext: number;
  clone(): Extended;
}

/** One row of a buffer; columns count from 0. */
export interface Line {
  readonly length: number;
  readonly isWrapped: boolean;
  getWidth(column: number): number;
  getString(column: number): string;
  getFg(column: number): number;
  getBg(column: number): number;
  getExtended(column: number): Extended;
}

/** A character set in place of ASCII; undefined for ASCII itself. */
export type Charset = Readonly<Record<string, string>> | undefined;

/** The normal or the alternate screen. Rows count from the oldest line; `ybase` is the first one on the screen. */
export interface Buffer {
  readonly x: number;
  readonly y: number;
  /** The row at the top of the screen. */
  ybase: number;
  /** The row at the top of what is looked at. */
  ydisp: number;
  readonly lines: { readonly length: number; maxLength: number; get(row: number): Line | undefined };
  readonly scrollTop: number;
  readonly scrollBottom: number;
  readonly tabs: Readonly<Record<number, boolean | undefined>>;
  readonly savedX: number;
  readonly savedY: number;
  readonly savedCurAttrData: { readonly fg: number; readonly bg: number };
  readonly savedCharsets: readonly Charset[];
  readonly savedGlevel: number;
  readonly savedOriginMode: boolean;
  readonly savedWraparoundMode: boolean;
}

/** The core of one terminal, owned by it. */
export interface Core {
  readonly cols: number;
  readonly rows: number;
  writeSync(data: Uint8Array | string): void;
  readonly buffers: { readonly normal: Buffer; readonly alt: Buffer; readonly active: Buffer };
  readonly options: { convertEol: boolean };
  readonly unicodeService: {
    charProperties(codePoint: number, preceding: number): number;
    readonly _activeProvider: IUnicodeVersionProvider;
  };
  readonly mouseStateService: { readonly activeProtocol: string; readonly activeEncoding: string };
  readonly coreService: {
    isCursorHidden: boolean;
    readonly modes: { readonly insertMode: boolean };
    readonly decPrivateModes: {
      readonly applicationCursorKeys: boolean;
      readonly applicationKeypad: boolean;
      readonly bracketedPasteMode: boolean;
      readonly colorSchemeUpdates: boolean;
      readonly cursorBlink: boolean | undefined;
      readonly cursorStyle: "block" | "underline" | "bar" | undefined;
      readonly origin: boolean;
      readonly reverseWraparound: boolean;
      readonly sendFocus: boolean;
      readonly synchronizedOutput: boolean;
      readonly wraparound: boolean;
    };
    readonly kittyKeyboard: {
      readonly flags: number;
      readonly mainFlags: number;
      readonly altFlags: number;
      readonly mainStack: readonly number[];
      readonly altStack: readonly number[];
    };
  };
  readonly _charsetService: {
    readonly charset: Charset;
    readonly charsets: readonly Charset[];
    readonly glevel: number;
  };
  readonly _inputHandler: {
    _curAttrData: Attributes;
    readonly _windowTitle: string;
    readonly _iconName: string;
    readonly _windowTitleStack: readonly string[];
    readonly _iconNameStack: readonly string[];
    readonly _parser: { precedingJoinState: number };
  };
}

/** @throws Error for another version of xterm.js */
export function coreOf(terminal: Terminal): Core {
  const core: unknown = Reflect.get(terminal, "_core");
  if (!isCore(core)) throw new Error("this version of xterm.js is not the one that screens were written for");
  return core;
}

// --- internal ---

/** One existing path for each object that is read. */
const PATHS = [
  "writeSync",
  "buffers.normal.savedCharsets",
  "buffers.alt.savedWraparoundMode",
  "buffers.active.tabs",
  "options.convertEol",
  "unicodeService._activeProvider.charProperties",
  "mouseStateService.activeEncoding",
  "coreService.isCursorHidden",
  "coreService.modes.insertMode",
  "coreService.decPrivateModes.wraparound",
  "coreService.kittyKeyboard.altStack",
  "_charsetService.charsets",
  "_inputHandler._curAttrData.extended._ext",
  "_inputHandler._windowTitleStack",
  "_inputHandler._parser.precedingJoinState",
];

function isCore(value: unknown): value is Core {
  return PATHS.every((path) => path.split(".").reduce<unknown>(step, value) !== undefined);
}

function step(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
