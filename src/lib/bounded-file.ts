/** Reads small files whole: configurations, secrets. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/**
 * The text of a file of at most `mostBytes`. A FIFO or a device in its place does not hold the program up.
 * @throws Error of the file system, or one that says that it is larger or no regular file
 */
export function readBoundedFile(path: string, mostBytes: number): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (fstatSync(fd).isFIFO()) throw new Error("it is no regular file");
    const bytes = Buffer.alloc(mostBytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(fd, bytes, length, bytes.length - length, null);
    if (length > mostBytes) throw new Error(`it has more than ${mostBytes} bytes`);
    return bytes.toString("utf8", 0, length);
  } finally {
    closeSync(fd);
  }
}
