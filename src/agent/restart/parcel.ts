/**
 * What is handed over, as bytes in a memfd: two lengths, the envelope, the rest as JSON, and behind it all byte arrays,
 * which the JSON names by place and length. It is anonymous memory: nothing of what shells have printed comes near a disk,
 * and where it is not taken, it is gone with the process.
 */
import { closeSync, fstatSync, readSync, writeSync } from "node:fs";
import { RexecError } from "../../lib/errors.ts";
import { errno, libc } from "../../pty/libc.ts";
import { type Envelope, envelope } from "./schema.ts";

const MFD_CLOEXEC = 1;
const HEADER_BYTES = 16;
const MAGIC = 0x52584831;

/** @returns the memfd @throws RexecError where the kernel gives none, or memory is short */
export function pack(about: Envelope, content: unknown): number {
  const fd = libc().memfd_create(Buffer.from("rexec-handover\0"), MFD_CLOEXEC);
  if (fd < 0) {
    throw new RexecError(`no memory file can be made for the state (errno ${errno()})`, {
      code: "restart_unsupported",
    });
  }
  const blobs: Uint8Array[] = [];
  let at = 0;
  const body = JSON.stringify(content, function (this: Record<string, unknown>, name) {
    const value = this[name]; // as it is: a Buffer comes here as what its toJSON has made of it
    if (!(value instanceof Uint8Array)) return value;
    const place = [at, value.length];
    blobs.push(value);
    at += value.length;
    return { [BLOB]: place };
  });
  const parts = [Buffer.from(JSON.stringify(about)), Buffer.from(body)];
  const header = Uint32Array.of(MAGIC, about.version, ...parts.map(({ length }) => length));
  try {
    for (const part of [new Uint8Array(header.buffer), ...parts, ...blobs]) writeAll(fd, part);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** What is in it, unchecked but for the envelope. */
export interface Parcel {
  readonly about: Envelope;
  /** @throws Error where it cannot be read */
  content(): unknown;
}

/** Null where it is none of ours. */
export function unpack(fd: number): Parcel | null {
  try {
    const [magic, , aboutBytes = 0, bodyBytes = 0] = new Uint32Array(read(fd, 0, HEADER_BYTES).buffer);
    if (magic !== MAGIC) return null;
    const about = envelope.parse(JSON.parse(text(read(fd, HEADER_BYTES, aboutBytes))));
    const bodyAt = HEADER_BYTES + aboutBytes;
    const blobsAt = bodyAt + bodyBytes;
    const revive = (_: string, value: unknown) => {
      const place = placeOf(value);
      return place ? read(fd, blobsAt + place[0], place[1]) : value;
    };
    return { about, content: () => JSON.parse(text(read(fd, bodyAt, bodyBytes)), revive) };
  } catch {
    return null;
  }
}

// --- internal ---

const BLOB = "$bytes";

function placeOf(value: unknown): [number, number] | null {
  if (typeof value !== "object" || value === null || !(BLOB in value)) return null;
  const place = value[BLOB];
  if (!Array.isArray(place)) return null;
  const [at, length] = place;
  return Number.isSafeInteger(at) && Number.isSafeInteger(length) ? [at, length] : null;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** A copy of its own, at the beginning of its buffer. @throws Error where so much is not there */
function read(fd: number, from: number, length: number): Uint8Array<ArrayBuffer> {
  if (length < 0 || from + length > fstatSync(fd).size) throw new Error("the state is cut short");
  const bytes = new Uint8Array(length);
  for (let got = 0; got < length; ) {
    const count = readSync(fd, bytes, got, length - got, from + got);
    if (count === 0) throw new Error("the state is cut short");
    got += count;
  }
  return bytes;
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}
