/**
 * Reads a descriptor through Bun's stream, and gets back what that has read ahead.
 *
 * Bun 1.4.5 reads more than it is asked for: up to some 270 KB wait in the stream, and each piece that is taken out has
 * it read another one (measured with strace). All of that would be lost to the next program image of this process. A
 * stream has no way to say "read no more, and give what you have"; `cancel()` throws it away.
 */
import { closeSync, fstatSync, openSync, readdirSync } from "node:fs";
import { eventLoops, libc, ptyNumber, redirect } from "./libc.ts";

export class FdReader {
  readonly #fd: number;
  readonly #reader: ReturnType<typeof openReader>;

  /** @param fd O_NONBLOCK; it stays the caller's, who closes it once this has ended */
  constructor(fd: number) {
    this.#fd = fd;
    this.#reader = openReader(fd);
  }

  /** The next chunk, never empty; null at the end. Rejects with the system's error. */
  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return null;
      if (value.length > 0) return value;
    }
  }

  /** Ends it, and throws away what was read ahead. */
  cancel(): void {
    this.#reader.cancel().catch(() => {}); // already at its end, by an error
  }

  /**
   * Cuts the stream off the descriptor and gives all that it had read ahead. Reads that wait get theirs before, or null.
   * It is at its end then, and the descriptor can be read anew by another one.
   *
   * Within one turn of the event loop: nothing but promises is awaited.
   */
  async drain(): Promise<Uint8Array[]> {
    cutOff(this.#fd);
    const chunks: Uint8Array[] = [];
    for (;;) {
      const chunk = await atOnce(this.read());
      if (chunk === null) break;
      chunks.push(chunk);
    }
    this.cancel();
    return chunks;
  }
}

// --- internal ---

const EPOLL_CTL_DEL = 2;
/** More than any chain of promises between a stream and its reader has links. */
const MICROTASKS = 200;

function openReader(fd: number) {
  return Bun.file(fd).stream().getReader();
}

/** What it gives without a turn of the event loop; null where that is nothing, or an error. */
async function atOnce(reading: Promise<Uint8Array | null>): Promise<Uint8Array | null> {
  let got: Uint8Array | null | undefined;
  const settle = (chunk: Uint8Array | null) => {
    got = chunk;
  };
  reading.then(settle, () => settle(null));
  for (let turn = 0; turn < MICROTASKS && got === undefined; turn += 1) await null;
  return got ?? null;
}

/**
 * Bun reads on a duplicate of its own. In its place comes /dev/null, so that the stream ends behind what it has; the
 * loop is told to forget the duplicate first, as a number that comes again would be refused.
 */
function cutOff(fd: number): void {
  const open = readdirSync("/proc/self/fd").map(Number);
  const same = sameAs(fd);
  const copies = open.filter((other) => other !== fd && same(other));
  if (copies.length === 0) return; // it never read, or is at its end
  const { epoll_ctl } = libc();
  const loops = eventLoops();
  const nothing = openSync("/dev/null", "r");
  try {
    for (const copy of copies) {
      for (const loop of loops) epoll_ctl(loop, EPOLL_CTL_DEL, copy, null);
      redirect(nothing, copy);
    }
  } finally {
    closeSync(nothing);
  }
}

/** All masters are one file by number, pipes are not. */
function sameAs(fd: number): (other: number) => boolean {
  const number = ptyNumber(fd);
  if (number !== null) return (other) => ptyNumber(other) === number;
  const { dev, ino } = fstatSync(fd);
  return (other) => {
    const stat = statOf(other);
    return stat?.ino === ino && stat.dev === dev;
  };
}

function statOf(fd: number) {
  try {
    return fstatSync(fd);
  } catch {
    return null; // the listing's own
  }
}
