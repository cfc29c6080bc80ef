/** Codes for the day on which the second factor is lost. Each is good once. */
import { randomInt } from "node:crypto";
import { hashToken } from "../auth/token.ts";

/** So many are made at a time. */
export const RECOVERY_CODES = 10;

/** Without what looks alike. */
const LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789";
const GROUPS = 4;
const GROUP = 4;

/** New codes as they are shown: `ABCD-EFGH-JKMN-PQRS`, 78 random bits each, so a plain hash of one is enough. */
export function makeRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, () =>
    Array.from({ length: GROUPS }, () =>
      Array.from({ length: GROUP }, () => LETTERS[randomInt(LETTERS.length)]).join(""),
    ).join("-"),
  );
}

/** The hash of a code, however it was typed; null where it can't be one. */
export function recoveryHash(typed: string): string | null {
  if (typed.length > 64) return null;
  const letters = typed.toUpperCase().replace(/[\s\p{Pd}_.]/gu, "");
  if (letters.length !== GROUPS * GROUP || [...letters].some((letter) => !LETTERS.includes(letter)))
    return null;
  return hashToken(letters);
}
