/** Configuration files in YAML; everything that needs the YAML library, so that a file in JSON goes without. */
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { TAG_KEYS, TEXT_KEYS } from "./schema.ts";

/** Line of a key in the file, where it can be told. */
export type LineOf = (key: string) => number | null;

/** A file that was read. */
export interface YamlContent {
  raw: { format: "yaml"; document: Document };
  values: Record<string, unknown>;
  lineOf: LineOf;
}

/**
 * Reads a YAML document of `key: value` lines.
 * @param broken makes the error of a line that is wrong
 */
export function readYaml(text: string, broken: (line: number, what: string) => Error): YamlContent {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error) throw broken(lines.linePos(error.pos[0]).line, error.message.split("\n", 1)[0] ?? "broken YAML");
  const map = document.contents;
  if (map !== null && !isMap(map)) throw broken(1, "a list of `key: value` lines is expected");
  const lineOf: LineOf = (key) => {
    const pair = map?.items.find((item) => isScalar(item.key) && item.key.value === key);
    const at = pair && isScalar(pair.key) ? pair.key.range?.[0] : undefined;
    return at === undefined ? null : lines.linePos(at).line;
  };
  const values: Record<string, unknown> = {};
  for (const { key, value } of map?.items ?? []) {
    if (!isScalar(key)) continue;
    values[String(key.value)] = plain(value, String(key.value));
  }
  return { raw: { format: "yaml", document }, values, lineOf };
}

/** A document with nothing in it. */
export function emptyYaml(): Document {
  return parseDocument("");
}

/** Sets a key to a list. A comment between the key and its first item belongs to the list, and stays with the new one. */
export function setList(document: Document, key: string, list: readonly unknown[]): void {
  const former = document.get(key, true);
  const node = document.createNode(list);
  if (isNode(former)) {
    node.commentBefore = former.commentBefore ?? null;
    node.comment = former.comment ?? null;
  }
  document.set(key, node);
}

// --- internal ---

/** A YAML node as a value; what a text key or a label shows as a number or a truth value is its text. */
function plain(node: unknown, key: string): unknown {
  const isText = TEXT_KEYS.has(key) || TAG_KEYS.some((name) => name === key);
  if (isSeq(node)) return node.items.map((item) => plain(item, key));
  if (!isScalar(node)) return isMap(node) ? node.toJSON() : undefined;
  const { value, source } = node;
  if (isText && (typeof value === "number" || typeof value === "boolean")) return source ?? String(value);
  return value;
}
