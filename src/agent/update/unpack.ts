/** Makes an executable of a download, and checks every byte of it on the way. */
import { createHash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { createGunzip } from "node:zlib";
import { messageOf, RexecError } from "../../lib/errors.ts";
import { type PublicKey, type Signature, verifyDigest } from "../../lib/minisign.ts";

/** An executable has 110 MB; a packed file that gives more than this is none of ours. */
const MOST_BYTES = 1024 ** 3;

/** A download to be turned into an executable. */
export interface UnpackOptions {
  /** The download. */
  from: string;
  isPacked: boolean;
  /** The executable that is made; it is not executable before it has been checked. */
  to: string;
  /** Whose permissions and owner it gets. */
  like: string;
  sha256: string;
  signature: Signature;
  publicKey: PublicKey;
}

/**
 * Writes `to`, synced. Where it throws there is none.
 * @throws RexecError `bad_checksum`, `bad_signature`; the system's error where it cannot be written
 */
export async function unpack(options: UnpackOptions): Promise<void> {
  const { to, like, sha256, signature, publicKey } = options;
  rmSync(to, { force: true }); // of an update that was killed
  try {
    const fd = openSync(to, "wx", 0o600);
    try {
      const digests = await copy(options, fd);
      if (digests.sha256 !== sha256) throw wrongSum(sha256, digests.sha256);
      verifyDigest(signature, publicKey, digests.blake2b512);
      const { mode, uid, gid } = statSync(like);
      // By the descriptor: that name may be another file's by now.
      if (process.getuid?.() === 0) fchownSync(fd, uid, gid);
      fchmodSync(fd, (mode & 0o7777) | 0o100);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    rmSync(to, { force: true });
    throw error;
  }
}

/** SHA-256 of a file, hex. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) hash.update(chunk);
  return hash.digest("hex");
}

/** @returns the error of a file that is not what the server's list says */
export function wrongSum(wanted: string, got: string): RexecError {
  return new RexecError(`the download is not what SHA256SUMS says: ${got} in place of ${wanted}`, {
    code: "bad_checksum",
    hint: "try again; if it stays so, do not use that server",
  });
}

// --- internal ---

const CHUNK = 1024 * 1024;

async function copy({ from, isPacked }: UnpackOptions, fd: number) {
  const [sha256, blake2b512] = [createHash("sha256"), createHash("blake2b512")];
  const file = createReadStream(from, { highWaterMark: CHUNK });
  const source = isPacked ? file.pipe(createGunzip({ chunkSize: CHUNK })) : file;
  file.on("error", (error) => source.destroy(error));
  let length = 0;
  try {
    for await (const chunk of source) {
      length += chunk.length;
      if (length > MOST_BYTES) throw new Error(`it has more than ${MOST_BYTES} bytes`);
      sha256.update(chunk);
      blake2b512.update(chunk);
      for (let written = 0; written < chunk.length; ) written += writeSync(fd, chunk, written);
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (!isPacked || /^E[A-Z]+$/.test(code)) throw error;
    throw new RexecError(`the download cannot be unpacked: ${messageOf(error)}`, {
      code: "bad_checksum",
      hint: "tell whoever runs that server",
      cause: error,
    });
  }
  return { sha256: sha256.digest("hex"), blake2b512: blake2b512.digest() };
}
