/** Where recordings are: a folder, in which they grow, and a bucket, to which they go once they have ended. */
import { rm } from "node:fs/promises";
import { join } from "node:path";

/** The two files of a recording: events, and keyframes. */
export type FileKind = "cast" | "idx";

/** Reads and removes files of recordings that have ended, or still grow. Methods reject with the storage's error. */
export interface RecordingStorage {
  /** Bytes; null where it is not there. */
  size(id: string, kind: FileKind): Promise<number | null>;
  /** A part of it. @param to exclusive */
  part(id: string, kind: FileKind, from: number, to: number): Blob;
  /** Also where it is gone. */
  remove(id: string): Promise<void>;
}

/** A folder of this machine. Ids are the gateway's own UUIDs: no name of a session is in a path. */
export class RecordingFolder implements RecordingStorage {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  path(id: string, kind: FileKind): string {
    return join(this.folder, `${id}.${kind}`);
  }

  async size(id: string, kind: FileKind): Promise<number | null> {
    const file = Bun.file(this.path(id, kind));
    return (await file.exists()) ? file.size : null;
  }

  part(id: string, kind: FileKind, from: number, to: number): Blob {
    return Bun.file(this.path(id, kind)).slice(from, to);
  }

  async remove(id: string): Promise<void> {
    for (const kind of ["cast", "idx"] as const) await rm(this.path(id, kind), { force: true });
  }
}
