/** A certificate chain and its private key, read from files. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readBoundedFile } from "../../lib/bounded-file.ts";
import { messageOf, RexecError } from "../../lib/errors.ts";

/** Paths of PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** The contents of both files, which belong together. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
  /** For the log: names and end of the certificate. */
  readonly about: string;
  /** What deserves a warning: a certificate that is not valid now. */
  readonly warning: string | null;
}

/** Bytes of a file: far more than a chain has. */
const MOST_BYTES = 1024 * 1024;

/**
 * Reads both files and checks that they fit together. The error says nothing of the key.
 * @throws RexecError `bad_tls`
 */
export function readTlsPair(files: TlsFiles, now = Date.now()): TlsPair {
  const [cert, key] = [textOf(files.cert), textOf(files.key)];
  const leaf = certificateIn(cert, files.cert);
  if (!leaf.checkPrivateKey(keyIn(key, files.key))) {
    throw badTls(`${files.key} is not the private key of ${files.cert}`);
  }
  const [from, to] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
  const names = leaf.subjectAltName ?? leaf.subject;
  const about = `${names.slice(0, 200).replaceAll("\n", ", ")}, valid until ${isoDay(to)}`;
  const warning =
    now > to
      ? `the certificate in ${files.cert} has expired (${isoDay(to)})`
      : now < from
        ? `the certificate in ${files.cert} is not valid before ${isoDay(from)}: is this machine's clock right?`
        : null;
  return { cert, key, about, warning };
}

// --- internal ---

function badTls(message: string, cause?: unknown): RexecError {
  const hint = "--tls-cert and --tls-key are PEM files that belong together, and that this account may read";
  return new RexecError(`cannot use the certificate and key: ${message}`, { code: "bad_tls", hint, cause });
}

/** Bun names no file when it cannot read one. */
function textOf(path: string): string {
  try {
    return readBoundedFile(path, MOST_BYTES);
  } catch (error) {
    throw badTls(`cannot read ${path}: ${messageOf(error)}`, error);
  }
}

function certificateIn(pem: string, path: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw badTls(`${path} holds no certificate in PEM`, error);
  }
}

function keyIn(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw badTls(`${path} holds no private key in PEM, or an encrypted one`, error);
  }
}

function isoDay(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 10) : "an unknown day";
}
