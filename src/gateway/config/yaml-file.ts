/** The gateway's YAML file as keys with their texts and lines. Everything that needs the YAML library. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";

/** One `key: value` of the file. */
export interface YamlEntry {
  /** `tls.cert` for `cert:` under `tls:`. */
  readonly key: string;
  readonly line: number;
  /** One text, or those of a list; null for a key without a value. */
  readonly texts: readonly string[] | null;
}

/** What is wrong with a file, and where. */
export interface YamlProblem {
  readonly line: number;
  readonly what: string;
}

/** Keys lie one below the other at most this deep. */
const DEPTH = 4;

/**
 * Reads a text of keys, sections and lists.
 * @param isSection whether keys of this name hold further ones
 */
export function readYamlFile(
  text: string,
  isSection: (key: string) => boolean,
): { entries: YamlEntry[]; problems: YamlProblem[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineAt = (offset: number | undefined) => lines.linePos(offset ?? 0).line;
  const [error] = document.errors;
  if (error) {
    const what = error.message.split("\n", 1)[0] ?? "broken YAML";
    return { entries: [], problems: [{ line: lineAt(error.pos[0]), what: `broken YAML: ${what}` }] };
  }
  const entries: YamlEntry[] = [];
  const problems: YamlProblem[] = [];
  const value = (node: unknown) => (isAlias(node) ? node.resolve(document) : node);
  const texts = (node: unknown): readonly string[] | null | undefined => {
    if (isSeq(node)) {
      const items = node.items.map((item) => textOf(value(item)));
      return items.every((item) => typeof item === "string") ? items : undefined;
    }
    const one = textOf(node);
    return typeof one === "string" ? [one] : one;
  };
  const walk = (node: Node | null, prefix: string, depth: number) => {
    if (node === null || (isScalar(node) && node.value === null)) return;
    const where = prefix === "" ? "the file" : prefix;
    if (!isMap(node)) {
      problems.push({ line: lineAt(node.range?.[0]), what: `${where} has "key: value" lines in it` });
      return;
    }
    for (const pair of node.items) {
      const name = textOf(pair.key);
      const line = lineAt(isScalar(pair.key) ? pair.key.range?.[0] : node.range?.[0]);
      if (typeof name !== "string") {
        problems.push({ line, what: `${where} has a key that is no text` });
        continue;
      }
      const key = prefix === "" ? name : `${prefix}.${name}`;
      const held = value(pair.value);
      if (isSection(key) && depth < DEPTH) {
        walk(isMap(held) || isScalar(held) || isSeq(held) ? held : null, key, depth + 1);
        continue;
      }
      const found = isMap(held) ? ["{…}"] : texts(held);
      if (found === undefined) problems.push({ line, what: `${key} is a value or a list of values` });
      else entries.push({ key, line, texts: found });
    }
  };
  walk(document.contents, "", 1);
  return { entries, problems };
}

// --- internal ---

/** The text of a scalar as it stands in the file; null for none; undefined for what is no scalar. */
function textOf(node: unknown): string | null | undefined {
  if (node === null) return null;
  if (!isScalar(node)) return undefined;
  const { value, source } = node;
  if (value === null || value === undefined) return null;
  return typeof value === "string" ? value : (source ?? String(value));
}
