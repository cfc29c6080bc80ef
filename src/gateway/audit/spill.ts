/** Rows that the store does not take for now: a file in the data folder, one JSON line each. */
import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { errnoOf } from "../../lib/errors.ts";
import { type AuditDraft, auditDraft } from "./row.ts";

/** Most bytes of the file. */
export const SPILL_BYTES = 64 * 1024 * 1024;
/** Read at a time. */
const READ_BYTES = 256 * 1024;

/**
 * The file, read from its beginning while it is appended to. Owned by the writer, which calls one method at a time. A
 * crash between the store's commit and `taken` has rows read again: append them with `again`.
 */
export class Spill {
  readonly #path: string;
  readonly #most: number;
  #size = 0;
  #position = 0;

  constructor(path: string, most = SPILL_BYTES) {
    this.#path = path;
    this.#most = most;
  }

  /** Bytes that wait. */
  get waiting(): number {
    return this.#size - this.#position;
  }

  /** Takes up what an earlier process left. */
  async open(): Promise<void> {
    this.#size = await sizeOf(this.#path);
    this.#position = 0;
  }

  /**
   * Appends as many as there is room for.
   * @returns how many were taken
   * @throws the system's error; the file is then as before
   */
  async append(drafts: readonly AuditDraft[]): Promise<number> {
    const lines: string[] = [];
    let size = this.#size;
    for (const draft of drafts) {
      const line = `${JSON.stringify(draft)}\n`;
      size += Buffer.byteLength(line);
      if (size > this.#most) break;
      lines.push(line);
    }
    if (lines.length === 0) return 0;
    await using file = await openFile(this.#path, "a");
    try {
      await file.appendFile(lines.join(""));
      await file.datasync();
    } catch (error) {
      await file.truncate(this.#size).catch(() => {}); // the first error counts
      throw error;
    }
    this.#size = (await file.stat()).size;
    return lines.length;
  }

  /** The next rows, and where they end; `broken` counts lines that are no rows, such as one that a crash cut. */
  async next(): Promise<{ drafts: AuditDraft[]; broken: number; end: number }> {
    await using file = await openFile(this.#path, "r");
    const length = Math.min(READ_BYTES, this.waiting);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, this.#position);
    const newline = buffer.lastIndexOf(0x0a, bytesRead - 1);
    const end = newline < 0 ? bytesRead : newline + 1;
    const drafts: AuditDraft[] = [];
    let broken = 0;
    for (const line of buffer.toString("utf8", 0, end).split("\n")) {
      if (line === "") continue;
      const draft = parsed(line);
      if (draft) drafts.push(draft);
      else broken += 1;
    }
    return { drafts, broken, end: this.#position + end };
  }

  /** Rows up to there are in the store. Removes the file once all are. */
  async taken(end: number): Promise<void> {
    this.#position = end;
    if (this.waiting > 0) return;
    await rm(this.#path, { force: true });
    this.#size = 0;
    this.#position = 0;
  }
}

// --- internal ---

function openFile(path: string, flags: "a" | "r"): Promise<FileHandle> {
  return open(path, flags, 0o600);
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return 0;
    throw error;
  }
}

function parsed(line: string): AuditDraft | null {
  try {
    const draft = auditDraft.safeParse(JSON.parse(line));
    return draft.success ? draft.data : null;
  } catch {
    return null;
  }
}
