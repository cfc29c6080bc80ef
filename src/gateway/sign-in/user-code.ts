/** The short code that a person copies from one screen to another. */
import { randomInt } from "node:crypto";

/** Without vowels no word comes out, and without digits none is taken for a letter (RFC 8628, section 6.1). */
const LETTERS = "BCDFGHJKLMNPQRSTVWXZ";
const LENGTH = 8;

/** A new code as it is shown: `BCDF-GHJK`. One of 20^8, 2.6 * 10^10. */
export function makeUserCode(): string {
  const letters = Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join("");
  return `${letters.slice(0, LENGTH / 2)}-${letters.slice(LENGTH / 2)}`;
}

/** The code in its one form, however it was typed (case, spaces, dashes); null where it can't be one. */
export function readUserCode(typed: string): string | null {
  if (typed.length > 64) return null;
  const letters = typed.toUpperCase().replace(/[\s\p{Pd}_.]/gu, "");
  if (letters.length !== LENGTH || [...letters].some((letter) => !LETTERS.includes(letter))) return null;
  return `${letters.slice(0, LENGTH / 2)}-${letters.slice(LENGTH / 2)}`;
}
