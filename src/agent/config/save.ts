/** Writes the agent's configuration back: what is not ours in the file stays as it is. */
import { existsSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeFileAtomic } from "../../lib/atomic-file.ts";
import { errnoOf, messageOf, RexecError } from "../../lib/errors.ts";
import { type ConfigFile, type RawConfig, yamlFormat } from "./file.ts";
import { type FileSettings, ORIGINAL_KEYS } from "./schema.ts";

/**
 * Sets the given keys (undefined removes one) and writes the file, mode 0600. Comments and unknown keys stay, and
 * `labels` or `tags` is spelled as it was. A file of the original agent gets our spelling beside its own, so that both
 * programs can go on with it.
 * @throws RexecError `config_unwritable`; the file is then as it was
 */
export function saveConfig(file: ConfigFile, changes: Partial<FileSettings>): void {
  const tagKey = tagKeyOf(file.raw);
  for (const [key, value] of Object.entries(inBothSpellings(file, changes))) {
    setKey(file.raw, key === "tags" ? tagKey : key, value);
  }
  write(file.path, serialise(file.raw));
}

/**
 * Finds out whether the file could be written, leaving nothing behind: neither the file nor its folder.
 * @throws RexecError `config_unwritable`
 */
export function assertWritable(path: string): void {
  let folder = dirname(existsSync(path) ? realpathSync(path) : path);
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const probe = join(folder, `.rexec-probe.${process.pid}.tmp`);
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new Error("it is a folder");
    writeFileSync(probe, Buffer.alloc(PROBE_BYTES), { flag: "wx", mode: 0o600, flush: true });
  } catch (error) {
    throw unwritable(path, error);
  } finally {
    removeQuietly(probe);
  }
}

// --- internal ---

/** More than a configuration takes: a disk that is full but for a few bytes must show. */
const PROBE_BYTES = 16 * 1024;

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // EROFS: it was never made.
  }
}

function has(raw: RawConfig, key: string): boolean {
  return raw.format === "json" ? key in raw.values : raw.document.has(key);
}

function inBothSpellings(file: ConfigFile, changes: Partial<FileSettings>): Record<string, unknown> {
  const all: Record<string, unknown> = { ...changes };
  for (const [ours, original] of ORIGINAL_KEYS) {
    if (!has(file.raw, original)) continue;
    all[ours] = ours in changes ? changes[ours] : file.settings[ours];
    all[original] = all[ours];
  }
  return all;
}

function setKey(raw: RawConfig, key: string, value: unknown): void {
  if (raw.format === "json") setJson(raw.values, key, value);
  else if (value === undefined) raw.document.delete(key);
  else if (Array.isArray(value)) yamlFormat().setList(raw.document, key, value);
  else raw.document.set(key, value); // a plain value, so that the comment behind the old one stays
}

function tagKeyOf(raw: RawConfig): "labels" | "tags" {
  if (has(raw, "labels")) return "labels";
  if (has(raw, "tags")) return "tags";
  return raw.format === "json" ? "tags" : "labels";
}

function setJson(values: Record<string, unknown>, key: string, value: unknown): void {
  if (value === undefined) delete values[key];
  else values[key] = value;
}

function serialise(raw: RawConfig): string {
  return raw.format === "json" ? `${JSON.stringify(raw.values, null, 2)}\n` : raw.document.toString();
}

function write(path: string, text: string): void {
  // A file that says the same stays as old as it is: a service is restarted where its configuration is younger.
  if (isWritten(path, text)) return;
  try {
    writeFileAtomic(path, text, 0o600);
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): RexecError {
  return new RexecError(`cannot write ${path}: ${messageOf(error)}`, {
    code: "config_unwritable",
    hint: hintFor(error, path),
    cause: error,
  });
}

function hintFor(error: unknown, path: string): string {
  const code = errnoOf(error);
  if (code === "ENOSPC" || code === "EDQUOT")
    return `make room on the disk of ${dirname(path)}, or name another file with --config`;
  if (code === "EROFS")
    return `${dirname(path)} is read-only: name another file with --config (or REXEC_CONFIG)`;
  if (code === "EACCES" || code === "EPERM")
    return "run this with sudo, or name another file with --config (or REXEC_CONFIG)";
  return "name another file with --config (or REXEC_CONFIG)";
}

function isWritten(path: string, text: string): boolean {
  try {
    return (statSync(path).mode & 0o777) === 0o600 && readFileSync(path, "utf8") === text;
  } catch {
    return false;
  }
}
