/** Places for a program's output that take nothing, or cease to: what a log must survive. */
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A pipe whose two ends the test holds. */
export class OutputPipe implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "rexec-pipe-"));
  #reader: number;
  #writer: number;

  constructor() {
    const path = join(this.#folder, "pipe");
    Bun.spawnSync(["mkfifo", path]);
    this.#reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#writer = openSync(path, constants.O_WRONLY);
  }

  /** For a child's stdout or stderr. */
  get writer(): number {
    return this.#writer;
  }

  /** Fills it to the last byte. */
  fill(): void {
    const own = openSync(`/proc/self/fd/${this.#writer}`, constants.O_WRONLY | constants.O_NONBLOCK);
    for (const size of [4096, 1]) {
      try {
        for (;;) writeSync(own, Buffer.alloc(size, "."));
      } catch {
        // full
      }
    }
    closeSync(own);
  }

  /** The reader goes. */
  hangUp(): void {
    if (this.#reader >= 0) closeSync(this.#reader);
    this.#reader = -1;
  }

  /** What is in it now. */
  drain(): string {
    const chunk = Buffer.alloc(65_536);
    let text = "";
    try {
      for (;;) {
        const count = readSync(this.#reader, chunk);
        if (count === 0) return text;
        text += chunk.toString("utf8", 0, count);
      }
    } catch {
      return text; // empty now
    }
  }

  [Symbol.dispose](): void {
    this.hangUp();
    if (this.#writer >= 0) closeSync(this.#writer);
    this.#writer = -1;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
