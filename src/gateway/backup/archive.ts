/**
 * The one file of a backup: a tar archive, which `tar` reads too. Its last member, `SHA256SUMS`, names all others with
 * their sums, as `sha256sum -c` takes it; a file that was cut has none.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { createTarDecoder, createTarPacker } from "modern-tar";
import { errnoOf, messageOf, RexecError } from "../../lib/errors.ts";

/** A file to be put into an archive. */
export interface Member {
  /** Its name in the archive. */
  name: string;
  /** Where its content is: a path, or the content itself. */
  from: string | Uint8Array;
}

/** A file of an archive. */
export interface ArchivedFile {
  name: string;
  size: number;
  /** To be read to its end before the next file is asked for. */
  chunks: AsyncIterable<Uint8Array>;
}

/** Files of one archive. */
export const MOST_MEMBERS = 1_000_000;
const SUMS = "SHA256SUMS";
/** Of `SHA256SUMS`: a million names of 190 characters. */
const MOST_SUMS_BYTES = 256 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

/**
 * The bytes of an archive. A file that grows is taken as long as it was when its turn came; one that is gone by then is
 * left out.
 * @throws the system's error, RexecError `backup_failed`
 */
export function writeArchive(members: AsyncIterable<Member>): ReadableStream<Uint8Array> {
  const { readable, controller } = createTarPacker();
  const sums: string[] = [];
  const put = async (name: string, size: number, chunks: AsyncIterable<Uint8Array>) => {
    const writer = controller.add({ name, size, mode: 0o600, type: "file" }).getWriter();
    const hash = new Bun.CryptoHasher("sha256");
    for await (const chunk of chunks) {
      hash.update(chunk);
      await writer.ready;
      await writer.write(chunk);
    }
    await writer.close();
    sums.push(`${hash.digest("hex")}  ${name}\n`);
  };
  const all = async () => {
    for await (const { name, from } of members) {
      if (typeof from !== "string") await put(name, from.length, once(from));
      else await withFile(from, (size, chunks) => put(name, size, chunks));
      if (sums.length > MOST_MEMBERS) throw tooMany();
    }
    const list = Buffer.from(sums.join(""));
    await put(SUMS, list.length, once(list));
    controller.finalize();
  };
  all().catch((error: unknown) => controller.error(error));
  return readable;
}

/**
 * The files of an archive in their order, then the check of their sums.
 * @throws RexecError `bad_backup` for what is no archive of ours, is damaged or was cut; the system's error
 */
export async function* readArchive(path: string): AsyncGenerator<ArchivedFile> {
  const source = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  const sums = new Map<string, string>();
  let list: Buffer | null = null;
  const entries = bytesOf(source).pipeThrough(createTarDecoder({ strict: true }));
  try {
    for await (const { header, body } of entries) {
      const { name, size, type } = header;
      if (list !== null || type !== "file" || sums.has(name) || sums.size > MOST_MEMBERS) throw damaged(path);
      if (name === SUMS) {
        if (size > MOST_SUMS_BYTES) throw damaged(path);
        list = Buffer.from(await new Response(body).arrayBuffer());
        continue;
      }
      const hash = new Bun.CryptoHasher("sha256");
      yield { name, size, chunks: hashed(path, body, hash) };
      sums.set(name, hash.digest("hex"));
    }
  } catch (error) {
    throw explained(path, error);
  } finally {
    source.destroy();
  }
  const expected = [...sums].map(([name, sum]) => `${sum}  ${name}\n`).join("");
  if (list === null || list.toString() !== expected) throw damaged(path);
}

// --- internal ---

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* hashed(
  path: string,
  body: ReadableStream<Uint8Array>,
  hash: Bun.CryptoHasher,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) {
      hash.update(chunk);
      yield chunk;
    }
  } catch (error) {
    throw explained(path, error);
  }
}

/** What the system says stays as it is; the rest is the decoder's. */
function explained(path: string, error: unknown): unknown {
  const isSystem = /^E[A-Z0-9]+$/.test(errnoOf(error) ?? "");
  return error instanceof RexecError || isSystem ? error : damaged(path, error);
}

/** Calls it with the length that the file has now and as many bytes; not at all where the file is gone. */
async function withFile(
  path: string,
  work: (size: number, chunks: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const file = await open(path, "r").catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  });
  if (!file) return;
  try {
    const { size } = await file.stat();
    const read = async function* () {
      for (let at = 0; at < size; ) {
        const chunk = new Uint8Array(Math.min(CHUNK_BYTES, size - at));
        const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
        if (bytesRead === 0) throw shorter(path);
        at += bytesRead;
        yield chunk.subarray(0, bytesRead);
      }
    };
    await work(size, read());
  } finally {
    await file.close();
  }
}

/** Bun's own streams of files stop where their reader does not read for a while. */
function bytesOf(source: Readable): ReadableStream<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(new Uint8Array(value));
    },
  });
}

function shorter(path: string): RexecError {
  return new RexecError(`${path} became shorter while it was copied`, {
    code: "backup_failed",
    hint: "try again",
  });
}

function tooMany(): RexecError {
  return new RexecError(`there are more than ${MOST_MEMBERS} files`, {
    code: "backup_failed",
    hint: "copy the recordings by another way (rsync)",
  });
}

function damaged(path: string, cause?: unknown): RexecError {
  const why = cause === undefined ? "" : ` (${messageOf(cause)})`;
  return new RexecError(`${path} is no backup of a gateway, or is damaged or cut${why}`, {
    code: "bad_backup",
    hint: "take another one: rexec admin backup makes them",
    cause,
  });
}
