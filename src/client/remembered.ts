/** Lists of names that were asked for a moment ago: completing a word asks again with each key. */
import { readFileSync } from "node:fs";
import * as z from "zod/mini";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import { parseJson } from "../protocol/parse.ts";

/** So long a list is good, ms. */
const FRESH_MS = 10_000;
/** Lists in the file; the oldest go first. */
const MOST = 32;

const file = z.record(z.string(), z.object({ at: z.number(), names: z.array(z.string()) }));

/**
 * The list of that key from the file, or else what `ask` resolves to, which is then written there.
 * @param path null for none
 */
export async function remembered(
  path: string | null,
  key: string,
  now: number,
  ask: () => Promise<string[]>,
): Promise<string[]> {
  const known = path === null ? {} : read(path);
  const found = known[key];
  if (found && found.at <= now && now - found.at < FRESH_MS) return found.names;
  const names = await ask();
  if (path === null) return names;
  const others = Object.entries(known).filter(([name, { at }]) => name !== key && now - at < FRESH_MS);
  const kept = others.sort(([, a], [, b]) => b.at - a.at).slice(0, MOST - 1);
  try {
    writeFileAtomic(path, JSON.stringify({ ...Object.fromEntries(kept), [key]: { at: now, names } }), 0o600);
  } catch {
    // Asked again next time.
  }
  return names;
}

// --- internal ---

function read(path: string): z.infer<typeof file> {
  try {
    const json = parseJson(readFileSync(path, "utf8"));
    const parsed = json.ok ? file.safeParse(json.value) : null;
    return parsed?.success ? parsed.data : {};
  } catch {
    return {};
  }
}
