/** One recording: a cast and its index, both in the folder of recordings while it grows. */
import { errnoOf } from "../../lib/errors.ts";
import type { EventCode } from "../../protocol/cast.ts";
import type { TerminalSize } from "../../screen/engine.ts";
import { AppendFile, type DiskGate } from "./append-file.ts";
import type { BlockPool } from "./blocks.ts";
import { CastWriter } from "./cast.ts";
import type { Escaper } from "./escaper.ts";
import { indexLine, type KeyEntry } from "./index-file.ts";

/** What all recordings of a gateway share. */
export interface Recorders {
  readonly pool: BlockPool;
  readonly gate: DiskGate;
  readonly escaper: Escaper;
  /** Why nothing may be recorded now; null where it may. */
  blocked(): string | null;
}

/** What became of it. */
export interface Summary {
  /** Bytes of the cast. */
  bytes: number;
  durationMs: number;
  /** Bytes of output that are missing, and why the first of them are. */
  cut: { bytes: number; reason: string } | null;
}

/** Output within this time is one event, ms. */
const EVENT_MS = 20;
/** What a crash loses, ms. */
const FLUSH_MS = 1_000;
/** After an error the disk is tried again so late, ms. */
const RETRY_MS = 10_000;
/** Keyframes that wait for their place in the cast to be written. */
const MOST_PENDING = 16;

/** Owned by the gateway's `Recordings`, from a session's beginning to its end. No method throws or waits, but `close`. */
export class Recording {
  readonly id: string;
  /** Called a moment after output has come: the time for a keyframe. */
  onQuiet: () => void = () => {};
  readonly #begun = performance.now();
  readonly #cast: AppendFile;
  readonly #index: AppendFile;
  readonly #writer: CastWriter;
  readonly #header: object;
  readonly #blocked: () => string | null;
  #pending: KeyEntry[] = [];
  /** Bytes that are missing, and not told in the recording yet. */
  #missing = 0;
  #cut: Summary["cut"] = null;
  #diskError: string | null = null;
  #retryAt = 0;
  #eventTimer: Timer | null = null;
  #flushTimer: Timer | null = null;
  #closing: Promise<Summary> | null = null;

  /** @param path of the cast without its ending */
  constructor(id: string, path: string, header: object, { pool, gate, escaper, blocked }: Recorders) {
    this.id = id;
    this.#cast = new AppendFile(`${path}.cast`, gate, (error) => this.#failed(error));
    this.#index = new AppendFile(`${path}.idx`, gate, () => {}); // it is found without, more slowly
    this.#writer = new CastWriter(this.#cast, pool, escaper);
    this.#header = header;
    this.#blocked = blocked;
    this.#writer.header(header);
    this.#touch();
  }

  /** Milliseconds since it began. */
  get elapsed(): number {
    return performance.now() - this.#begun;
  }

  /** Bytes so far. */
  get bytes(): number {
    return this.#writer.position;
  }

  get cut(): Summary["cut"] {
    return this.#cut;
  }

  /** Output was left out, and none has been written since. */
  get isBehind(): boolean {
    return this.#missing > 0;
  }

  /** Bytes of a stream. */
  output(code: "o" | "e" | "i", bytes: Uint8Array): void {
    if (this.#closing || bytes.length === 0) return;
    if (!this.#goOn() || !this.#writer.bytes(this.elapsed, code, bytes)) this.#miss(bytes.length);
    this.#touch();
  }

  /** An event with a text of its own. */
  event(code: EventCode, text: string): void {
    if (this.#closing) return;
    const at = this.elapsed;
    if (this.#goOn() && this.#writer.event(at, code, text) && code === "m")
      this.#index.append(Buffer.from(indexLine({ t: at, m: text })));
    this.#touch();
  }

  resized({ cols, rows }: TerminalSize): void {
    this.event("r", `${cols}x${rows}`);
  }

  /** Output that did not come to us. @param reason for the reader of the recording */
  gap(bytes: number, reason: string): void {
    if (this.#closing || bytes <= 0) return;
    this.#writer.cut();
    this.#note(bytes, reason);
    this.event("m", markerOf(bytes, reason));
  }

  /**
   * The place of a keyframe: all output so far is before it, but for the bytes of an unfinished character.
   * @returns null where output is being left out
   */
  mark(): { at: number; t: number; open: number } | null {
    if (this.#closing || this.#missing > 0) return null;
    this.#writer.closeEvent();
    return { at: this.#writer.position, t: this.elapsed, open: this.#writer.openOutput };
  }

  keyframe(entry: KeyEntry): void {
    if (this.#closing || this.#pending.length >= MOST_PENDING) return;
    this.#pending.push(entry);
    this.#writeKeys();
  }

  /** Writes all that waits. Resolves when the files are closed; never rejects. */
  close(): Promise<Summary> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  // --- internal ---

  /** Tells what is missing, once there is room again. False where there is none. */
  #goOn(): boolean {
    if (this.#blocked() !== null) return false;
    if (this.#cast.hasFailed) {
      if (performance.now() < this.#retryAt) return false;
      this.#retryAt = performance.now() + RETRY_MS;
      this.#cast.retry();
      if (this.#cast.length === 0) this.#writer.header(this.#header);
    }
    if (this.#missing === 0) return true;
    const text = markerOf(this.#missing, this.#reason);
    const at = this.elapsed;
    if (!this.#writer.event(at, "m", text)) return false;
    this.#index.retry();
    this.#index.append(Buffer.from(indexLine({ t: at, m: text })));
    this.#missing = 0;
    return true;
  }

  get #reason(): string {
    return this.#blocked() ?? this.#diskError ?? "the storage is too slow";
  }

  #miss(bytes: number): void {
    this.#writer.cut();
    this.#missing += bytes;
    this.#note(bytes, this.#reason);
  }

  #note(bytes: number, reason: string): void {
    this.#cut = { bytes: (this.#cut?.bytes ?? 0) + bytes, reason: this.#cut?.reason ?? reason };
  }

  #failed(error: unknown): void {
    this.#diskError = reasonOf(error);
    this.#retryAt = performance.now() + RETRY_MS;
    this.#pending = [];
    // What was dropped is not counted byte by byte: at least one is missing.
    this.#missing += 1;
    this.#note(1, this.#diskError);
  }

  #touch(): void {
    if (this.#writer.isOpen) this.#eventTimer ??= setTimeout(() => this.#quiet(), EVENT_MS);
    if (this.#writer.isDirty) this.#flushTimer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  #quiet(): void {
    this.#eventTimer = null;
    this.#writer.closeEvent();
    this.onQuiet();
  }

  #flush(): void {
    this.#flushTimer = null;
    this.#writer.flush();
    this.#writeKeys();
    this.onQuiet();
  }

  /** Only what the cast has: a keyframe must not point behind its end. */
  #writeKeys(): void {
    for (let key = this.#pending[0]; key && key.at <= this.#cast.length; key = this.#pending[0]) {
      this.#pending.shift();
      this.#index.append(Buffer.from(indexLine(key)));
    }
  }

  async #close(): Promise<Summary> {
    if (this.#eventTimer) clearTimeout(this.#eventTimer);
    if (this.#flushTimer) clearTimeout(this.#flushTimer);
    const durationMs = this.elapsed;
    this.#goOn();
    this.#writer.finish(durationMs);
    this.#writer.flush();
    await this.#cast.close();
    this.#writeKeys();
    await this.#index.close();
    return { bytes: this.#cast.length, durationMs, cut: this.#cut };
  }
}

/** As a marker of the recording. */
function markerOf(bytes: number, reason: string): string {
  return `cut: ${bytes} bytes are missing: ${reason}`;
}

function reasonOf(error: unknown): string {
  const code = errnoOf(error) ?? "";
  const known: Record<string, string> = {
    ENOSPC: "no space left on the disk",
    EDQUOT: "the disk quota is used up",
    EFBIG: "the file may not be larger",
    EROFS: "the disk is read-only",
    EACCES: "the folder may not be written",
    ENOENT: "the folder is missing",
    EIO: "the disk has an error",
  };
  return known[code] ?? `the storage failed${code ? ` (${code})` : ""}`;
}
