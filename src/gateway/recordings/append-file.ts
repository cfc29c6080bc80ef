/** A file that only grows, written outside the gateway's thread. What cannot be written is dropped, and told. */
import { close, constants, ftruncate, open, write } from "node:fs";
import { promisify } from "node:util";

const opened = promisify(open);
const truncated = promisify(ftruncate);
const closed = promisify(close);

/** One write at a time, of all recordings: a disk that hangs must not take all threads that the runtime has for files. */
export class DiskGate {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(work);
    this.#tail = done.catch(() => {}); // its caller hears of it
    return done;
  }
}

/** A piece that waits to be written. */
interface Piece {
  bytes: Uint8Array;
  /** Called once: it is written, or dropped. */
  done(): void;
}

/**
 * A private file (0600) of whole pieces. Owned by a recording, which closes it. No method throws or waits, but `close`.
 * After an error it drops all pieces until `retry`, and ends behind the last whole one.
 */
export class AppendFile {
  readonly path: string;
  readonly #gate: DiskGate;
  readonly #onError: (error: unknown) => void;
  readonly #queue: Piece[] = [];
  #fd: number | null = null;
  #length = 0;
  #waiting = 0;
  #failed = false;
  #working: Promise<void> | null = null;

  /** @param onError the reason why pieces are dropped from now on */
  constructor(path: string, gate: DiskGate, onError: (error: unknown) => void) {
    this.path = path;
    this.#gate = gate;
    this.#onError = onError;
  }

  /** Bytes that are written. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that are not written yet. */
  get waiting(): number {
    return this.#waiting;
  }

  get hasFailed(): boolean {
    return this.#failed;
  }

  /** @param bytes not to be changed before `done` */
  append(bytes: Uint8Array, done: () => void = () => {}): void {
    if (this.#failed) {
      done();
      return;
    }
    this.#queue.push({ bytes, done });
    this.#waiting += bytes.length;
    this.#working ??= this.#work();
  }

  /** Pieces are written again from now on. */
  retry(): void {
    this.#failed = false;
  }

  /** Writes all that waits, and closes it. Never rejects. */
  async close(): Promise<void> {
    while (this.#working) await this.#working;
    const fd = this.#fd;
    this.#fd = null;
    if (fd !== null) await closed(fd).catch(() => {}); // it is written
  }

  // --- internal ---

  async #work(): Promise<void> {
    for (let piece = this.#queue[0]; piece; piece = this.#queue[0]) {
      const { bytes } = piece;
      try {
        await this.#gate.run(() => this.#write(bytes));
        this.#length += bytes.length;
        this.#finish(piece);
      } catch (error) {
        await this.#fail(error);
      }
    }
    this.#working = null;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    // Append: what another program made of the file is not written over.
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
    this.#fd ??= await opened(this.path, flags, 0o600);
    const fd = this.#fd;
    for (let at = 0; at < bytes.length; ) at += await writtenOf(fd, bytes.subarray(at));
  }

  async #fail(error: unknown): Promise<void> {
    this.#failed = true;
    // A piece may be there in part.
    if (this.#fd !== null) await truncated(this.#fd, this.#length).catch(() => {}); // read up to its last whole line
    for (const piece of [...this.#queue]) this.#finish(piece);
    this.#onError(error);
  }

  #finish(piece: Piece): void {
    this.#queue.shift();
    this.#waiting -= piece.bytes.length;
    piece.done();
  }
}

// --- internal ---

function writtenOf(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, 0, bytes.length, null, (error, written) => (error ? reject(error) : resolve(written)));
  });
}
