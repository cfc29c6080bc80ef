/**
 * Reads a descriptor through Bun's stream, and recovers its read-ahead. Bun 1.4.5 reads ahead: up to some 270 KB wait in
 * the stream, and each chunk that is taken triggers another read (measured with strace). The next program image of this
 * process would lose them. A stream has no call for "stop reading and give me the rest"; `cancel()` drops it.
 */
import { closeSync, fstatSync, openSync, readdirSync } from "node:fs";
import { eventLoops, libc, ptyNumber, redirect } from "./libc.ts";

/** A stream over a descriptor of its owner's. Ends by itself, by `cancel` or by `drain`. */
export class FdReader {
  readonly #fd: number;
  readonly #reader: ReturnType<typeof openReader>;

  /** @param fd O_NONBLOCK; the caller closes it once this reader has ended */
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

  /** Ends it, and drops the read-ahead. */
  cancel(): void {
    this.#reader.cancel().catch(() => {}); // already at its end, by an error
  }

  /**
   * Cuts the stream off the descriptor and gives the read-ahead, within one turn of the event loop. Pending reads settle
   * first. The reader has ended then; another one may read the descriptor.
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
/** More than the longest chain of promises between a stream and its reader. */
const MICROTASKS = 200;

function openReader(fd: number) {
  return Bun.file(fd).stream().getReader();
}

/** The result, if it needs no turn of the event loop; else, and for an error, null. */
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
 * Bun reads on a duplicate of the descriptor. /dev/null replaces it, so the stream ends behind its read-ahead. The event
 * loop has to drop the duplicate first: epoll would refuse the same number a second time.
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
