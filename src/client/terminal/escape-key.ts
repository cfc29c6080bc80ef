/** The key that leaves a remote shell, as it is written, named and found in what a terminal sends. */
import { UsageError } from "../../lib/errors.ts";

/** The key that leaves, in each form in which a terminal sends it. */
export interface EscapeKey {
  /** As messages name it: `Ctrl+]`. */
  name: string;
  /** The one byte that it is in an ordinary terminal. */
  byte: number;
  /** Its longer codes, where a program has asked the terminal for such; null where there are none. Sticky. */
  long: RegExp | null;
  /** That it was let go, as such codes tell it. Sticky. */
  release: RegExp | null;
}

/**
 * @param text `^]`, `ctrl-]`, `C-]`, one printable character, or `none`
 * @returns null for `none`: nothing that is typed leaves
 * @throws UsageError
 */
export function parseEscapeKey(text: string, shown = "--escape"): EscapeKey | null {
  if (/^(none|off)$/i.test(text)) return null;
  const letter = /^(?:\^|ctrl[-+]|c-)([a-z@[\]\\^_])$/i.exec(text)?.[1]?.toUpperCase();
  if (letter !== undefined) {
    const byte = letter.charCodeAt(0) & 0x1f;
    const taken = TAKEN[byte];
    if (taken)
      throw new UsageError(
        `${shown} cannot be "${text}"`,
        `that is ${taken}; choose another, ^A for example`,
      );
    const code = letter.toLowerCase().charCodeAt(0);
    return { name: `Ctrl+${letter}`, byte, long: longCodes(code), release: releaseCodes(code) };
  }
  if (/^[!-~]$/.test(text)) return { name: text, byte: text.charCodeAt(0), long: null, release: null };
  throw new UsageError(
    `${shown} cannot be "${text}"`,
    "write ^] or ctrl-] for a key with Ctrl, ~ for itself, or none",
  );
}

/** `Ctrl+]`, as of telnet and of `docker attach`'s elders: hardly a program uses it. */
export const DEFAULT_ESCAPE = "^]";

// --- internal ---

/** Keys of which a terminal sends the same byte. */
const TAKEN: Record<number, string | undefined> = {
  8: "the key Backspace on some terminals",
  9: "the key Tab",
  10: "the end of a pasted line",
  13: "the key Enter",
  27: "the beginning of every arrow key",
};

/**
 * kitty's codes (1 + 4 is Ctrl, 64 and 128 more are the lock keys; a release is none) and xterm's modifyOtherKeys.
 */
function longCodes(code: number): RegExp {
  return new RegExp(`${"\x1b"}\\[(?:${code}(?::\\d*)*;(?:5|69|133|197)(?::1)?u|27;5;${code}~)`, "y");
}

/** Any number of them. */
function releaseCodes(code: number): RegExp {
  return new RegExp(`(?:${"\x1b"}\\[${code}(?::\\d*)*;\\d+:3u)*`, "y");
}
