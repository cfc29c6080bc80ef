/**
 * The journal of systemd as a place for lines. A service's stderr is a socket to it, which ends for good where the
 * journal is stopped and started anew; then a new one is opened here.
 */
import { fstatSync } from "node:fs";
import type { Socket } from "node:net";
import { basename } from "node:path";

const SOCKET = "/run/systemd/journal/stdout";

/** True where the descriptor is the socket to the journal that systemd has given this process. */
export function isJournal(fd: number, stream = process.env.JOURNAL_STREAM): boolean {
  if (!stream) return false;
  try {
    const { dev, ino } = fstatSync(fd);
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** A connection of our own to it, made at the first line and again at the first one after it has ended. */
export class Journal {
  #socket: Socket | null = null;

  /** @returns bytes taken @throws the system's error */
  put(bytes: Uint8Array): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const socket = this.#connected();
    socket.once("error", reject);
    socket.write(bytes, (error) => {
      socket.off("error", reject);
      if (error) reject(error);
      else resolve(bytes.length);
    });
    return promise;
  }

  // --- internal ---

  #connected(): Socket {
    if (this.#socket && !this.#socket.destroyed) return this.#socket;
    // Loaded here: it costs 6 ms, and most commands have no journal.
    const socket = process.getBuiltinModule("node:net").connect(SOCKET);
    const forget = () => {
      if (this.#socket === socket) this.#socket = null;
    };
    socket.on("error", forget);
    socket.on("close", forget);
    socket.unref();
    this.#socket = socket;
    // Identifier, unit (the journal knows it by the process), priority 6 (info), no priorities in the lines, not handed on.
    socket.write(`${basename(process.execPath)}\n\n6\n0\n0\n0\n0\n`);
    return socket;
  }
}
