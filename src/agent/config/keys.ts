/** Keys of a configuration file that have no effect, and look like one that was meant. */
import { closest } from "../../lib/suggest.ts";
import { fileSettings, TAG_KEYS } from "./schema.ts";

/** Of the original agent's files, with which ours are shared; each is near to one of ours. */
const FOREIGN: ReadonlySet<string> = new Set(["id", "host", "type", "version"]);
/** Shorter words are near to too much. */
const LEAST_LETTERS = 3;

/**
 * A warning for each unknown key that is near a known one. Others are left alone: a file may hold what other programs
 * read.
 * @param lineOf the key's line, null where it can't be told
 */
export function unknownKeys(
  path: string,
  keys: readonly string[],
  lineOf: (key: string) => number | null,
): string[] {
  const known = [...Object.keys(fileSettings.shape), ...TAG_KEYS];
  return keys.flatMap((key) => {
    if (known.includes(key) || FOREIGN.has(key)) return [];
    const meant = nearest(key, known);
    if (meant === undefined) return [];
    const line = lineOf(key);
    const where = line === null ? path : `${path}:${line}`;
    return [`${where}: there is no key "${key.slice(0, 60)}", so it has no effect: did you mean "${meant}"?`];
  });
}

// --- internal ---

function nearest(key: string, known: readonly string[]): string | undefined {
  const letters = lettersOf(key);
  if (letters.length < LEAST_LETTERS || letters.length > 60) return undefined;
  const byLetters = new Map(known.map((name) => [lettersOf(name), name]));
  const found = byLetters.has(letters) ? letters : closest(letters, byLetters.keys());
  return found === undefined ? undefined : byLetters.get(found);
}

/** `workingDir`, `working-dir` and `WORKING_DIR` have the same. */
function lettersOf(key: string): string {
  return key.replace(/[^\p{L}\p{N}]/gu, "").toLowerCase();
}
