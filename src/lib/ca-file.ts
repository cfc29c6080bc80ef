/** CA files, PEM or DER. */
import { readFileSync } from "node:fs";
import { errnoOf, messageOf, RexecError } from "./errors.ts";

/** Larger than any bundle of authorities (Mozilla's is 0.2 MB), bytes. */
const MAX_BYTES = 8 * 1024 * 1024;

/**
 * The certificates in a file, as PEM.
 * @throws RexecError `bad_ca_file`: it cannot be read, is empty, or holds something else
 */
export function readCertificates(path: string): string[] {
  const bytes = read(path);
  if (bytes.length > MAX_BYTES) throw bad(path, "is too large for a file of certificates");
  if (bytes.toString("latin1").trim() === "") throw bad(path, "is empty");
  const text = bytes.toString("latin1");
  // A fault inside a block shows with the first connection.
  const blocks = text.match(
    /-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END \1?CERTIFICATE-----/g,
  );
  if (blocks) return [...blocks];
  const kind = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(text)?.[1];
  if (kind?.endsWith("CERTIFICATE"))
    throw bad(path, "is cut off: a certificate begins there and does not end");
  if (kind) throw bad(path, `holds no certificate, but: ${kind.toLowerCase()}`);
  // DER begins with a sequence (0x30); PKCS #7 and #12 do, too, and fail here.
  if (bytes[0] === 0x30) return [fromDer(path, bytes)];
  throw bad(path, "holds no certificate");
}

// --- internal ---

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = REASONS[errnoOf(error) ?? ""] ?? messageOf(error);
    throw new RexecError(`cannot read the CA file ${path}: ${why}`, {
      code: "bad_ca_file",
      hint: HINT,
      cause: error,
    });
  }
}

function fromDer(path: string, bytes: Buffer): string {
  try {
    const { X509Certificate } = process.getBuiltinModule("node:crypto");
    return new X509Certificate(bytes).toString();
  } catch (error) {
    throw bad(path, `looks like DER, and is no certificate (${messageOf(error)})`);
  }
}

function bad(path: string, why: string): RexecError {
  return new RexecError(`the CA file ${path} ${why}`, { code: "bad_ca_file", hint: HINT });
}

const HINT =
  "ca_file (REXEC_CA_FILE, --ca-file) is a file of certificates, PEM or DER; to convert: openssl x509 -in FILE -out ca.pem";

const REASONS: Record<string, string | undefined> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a folder",
};
