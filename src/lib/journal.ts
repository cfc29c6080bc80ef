/**
 * Writes to systemd's journal after its restart. A service's stderr is a socket to the journal, which ends for good when
 * the journal stops; then a new socket is opened here.
 */
import { fstatSync } from "node:fs";
import type { Socket } from "node:net";
import { basename } from "node:path";

const SOCKET = "/run/systemd/journal/stdout";

/** True where the descriptor is the journal socket that systemd gave this process. */
export function isJournal(fd: number, stream = process.env.JOURNAL_STREAM): boolean {
  if (!stream) return false;
  try {
    const { dev, ino } = fstatSync(fd);
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** A connection to the journal, opened by the first line, and again after its end. Owned by a log target. */
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
    // Loaded here, since it costs 6 ms and most commands have no journal.
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
