/** This process's arguments and environment without loss. The runtime's have U+FFFD for bytes that are not UTF-8. */
import { readFileSync } from "node:fs";
import { fromBytes } from "./os-string.ts";

/** The last words of our command line, as many as `argv`, each as `fromBytes` gives it; `argv` itself without /proc. */
export function ownArguments(argv: readonly string[]): string[] {
  if (!argv.some((word) => word.includes("\ufffd"))) return [...argv];
  const words = partsOf("/proc/self/cmdline");
  return words.length < argv.length ? [...argv] : words.slice(words.length - argv.length);
}

/** The variables of our environment that are not UTF-8, as `fromBytes` gives them; without /proc none. */
export function ownOddVariables(env: Readonly<Record<string, string | undefined>>): Map<string, string> {
  if (!Object.values(env).some((value) => value?.includes("\ufffd"))) return new Map();
  const entries = partsOf("/proc/self/environ").map((entry): [string, string] => {
    const equals = entry.indexOf("=");
    return [entry.slice(0, equals), entry.slice(equals + 1)];
  });
  return new Map(entries.filter(([name, value]) => /^[A-Za-z_]\w*$/.test(name) && !value.isWellFormed()));
}

// --- internal ---

function partsOf(path: string): string[] {
  try {
    const bytes = readFileSync(path);
    const parts: string[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(0, at);
      parts.push(fromBytes(bytes.subarray(at, end < 0 ? bytes.length : end)));
      at = end < 0 ? bytes.length : end + 1;
    }
    return parts;
  } catch {
    return [];
  }
}
