/** asciicast v2, written event by event into blocks. https://docs.asciinema.org/manual/asciicast/v2/ */
import type { EventCode } from "../../protocol/cast.ts";
import type { AppendFile } from "./append-file.ts";
import { BLOCK_BYTES, type BlockPool } from "./blocks.ts";
import { ESCAPED_BYTES, type Escaper } from "./escaper.ts";

/** Most bytes of one recording that wait for the disk. */
const WAITING_BYTES = 4 * 1024 * 1024;
/** Room for what is around an event's text. */
const FRAME_BYTES = 64;
const END = Buffer.from('"]\n');

/** A stream whose events are gathered: text that ends within a character waits for the rest. */
interface Gathered {
  code: "o" | "e" | "i";
  open: Uint8Array;
}

/**
 * Writes a recording's events. Owned by a recording. No method throws or waits: one that answers false has left its event
 * out, because the disk takes no more. Times are milliseconds since the recording began.
 */
export class CastWriter {
  readonly #file: AppendFile;
  readonly #pool: BlockPool;
  readonly #escaper: Escaper;
  #block: Buffer | null = null;
  #used = 0;
  /** The stream whose event is not closed yet. */
  #event: Gathered | null = null;
  readonly #streams: Record<Gathered["code"], Gathered> = {
    o: { code: "o", open: new Uint8Array(0) },
    e: { code: "e", open: new Uint8Array(0) },
    i: { code: "i", open: new Uint8Array(0) },
  };

  constructor(file: AppendFile, pool: BlockPool, escaper: Escaper) {
    this.#file = file;
    this.#pool = pool;
    this.#escaper = escaper;
  }

  /** Bytes of the file, with all that is on its way. */
  get position(): number {
    return this.#file.length + this.#file.waiting + this.#used;
  }

  /** Bytes at the end of the output that wait for the rest of their character. */
  get openOutput(): number {
    return this.#streams.o.open.length;
  }

  /** There is an event that later bytes of its stream are added to. */
  get isOpen(): boolean {
    return this.#event !== null;
  }

  /** There is something that the file was not given yet. */
  get isDirty(): boolean {
    return this.#used > 0;
  }

  /** The first line. */
  header(header: object): boolean {
    return this.#line(JSON.stringify(header));
  }

  /** Adds bytes to the open event of this stream, or opens one at that time. */
  bytes(at: number, code: Gathered["code"], bytes: Uint8Array): boolean {
    const stream = this.#streams[code];
    const most = ESCAPED_BYTES - 4;
    for (let from = 0; from < bytes.length; from += most) {
      if (!this.#piece(at, stream, bytes.subarray(from, from + most), false)) return false;
    }
    return true;
  }

  /** Forgets the beginning of a character: what follows is no continuation of it. */
  cut(): void {
    this.closeEvent();
    for (const stream of Object.values(this.#streams)) stream.open = new Uint8Array(0);
  }

  /** An event with a text of its own. */
  event(at: number, code: EventCode, text: string): boolean {
    this.closeEvent();
    return this.#line(`[${seconds(at)}, "${code}", ${JSON.stringify(text)}]`);
  }

  closeEvent(): void {
    if (!this.#event || !this.#block) return;
    this.#event = null;
    this.#put(END);
  }

  /** What is left of unfinished characters is shown as a terminal shows it. */
  finish(at: number): void {
    for (const stream of Object.values(this.#streams)) {
      if (stream.open.length > 0) this.#piece(at, stream, new Uint8Array(0), true);
    }
    this.closeEvent();
  }

  /** Gives all closed events to the file. */
  flush(): void {
    this.closeEvent();
    const block = this.#block;
    if (!block) return;
    this.#block = null;
    const bytes = block.subarray(0, this.#used);
    this.#used = 0;
    if (bytes.length > 0) this.#file.append(bytes, () => this.#pool.give(block));
    else this.#pool.give(block);
  }

  // --- internal ---

  #piece(at: number, stream: Gathered, piece: Uint8Array, last: boolean): boolean {
    const bytes = stream.open.length > 0 ? Buffer.concat([stream.open, piece]) : piece;
    const { json, taken } = this.#escaper.escape(bytes, last);
    if (json.length > 0) {
      if (this.#event !== stream) this.closeEvent();
      if (!this.#reserve(json.length + FRAME_BYTES)) return false;
      if (!this.#event) {
        this.#event = stream;
        this.#put(Buffer.from(`[${seconds(at)}, "${stream.code}", "`));
      }
      this.#put(json);
    }
    stream.open = taken < bytes.length ? Uint8Array.from(bytes.subarray(taken)) : NONE;
    return true;
  }

  #line(text: string): boolean {
    const line = Buffer.from(`${text}\n`);
    if (!this.#reserve(line.length)) return false;
    this.#put(line);
    return true;
  }

  /** Has a block with so much room, or answers false. */
  #reserve(bytes: number): boolean {
    if (this.#block && this.#used + bytes + END.length > BLOCK_BYTES) this.flush();
    if (this.#block) return true;
    if (this.#file.hasFailed || this.#file.waiting >= WAITING_BYTES) return false;
    this.#block = this.#pool.take();
    return this.#block !== null;
  }

  #put(bytes: Uint8Array): void {
    this.#block?.set(bytes, this.#used);
    this.#used += bytes.length;
  }
}

const NONE = new Uint8Array(0);

/** As the format has it, to the millisecond. */
export function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
