/**
 * Signatures in minisign's format (https://jedisct1.github.io/minisign/): Ed25519 over the file's BLAKE2b-512, and a
 * second signature over the first and a "trusted comment", which names the file. Only this prehashed kind ("ED") is
 * accepted; minisign has made no other since 2021.
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { RexecError } from "./errors.ts";

/** Length of the parts, bytes. */
export const MINISIGN = { keyId: 8, publicKey: 32, signature: 64 } as const;

/** A key that verifies signatures. */
export interface PublicKey {
  /** 16 hex digits, as minisign shows them. */
  readonly id: string;
  readonly key: KeyObject;
}

/** A signature file whose comment has not been checked yet. */
export interface Signature {
  readonly keyId: string;
  /** Over the file's BLAKE2b-512. */
  readonly file: Uint8Array;
  readonly comment: string;
  /** Over `file` and the comment. */
  readonly global: Uint8Array;
}

/**
 * Reads the text of a .pub file, or only its second line.
 * @throws RexecError `bad_public_key`
 */
export function parsePublicKey(text: string): PublicKey {
  const bytes = Buffer.from(lastLine(text), "base64");
  if (bytes.length !== 2 + MINISIGN.keyId + MINISIGN.publicKey || bytes.toString("latin1", 0, 2) !== "Ed") {
    throw new RexecError("that is no public key of minisign", {
      code: "bad_public_key",
      hint: "it is one line of 56 characters, which begins with RW",
    });
  }
  const x = bytes.subarray(2 + MINISIGN.keyId).toString("base64url");
  return {
    id: keyIdText(bytes.subarray(2, 2 + MINISIGN.keyId)),
    key: createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" }),
  };
}

/** Reads a .minisig file. @throws RexecError `bad_signature` */
export function parseSignature(text: string): Signature {
  const [untrusted = "", signature = "", trusted = "", global = ""] = text.split(/\r?\n/);
  const bytes = Buffer.from(signature, "base64");
  const isWhole =
    untrusted.startsWith("untrusted comment:") &&
    trusted.startsWith(TRUSTED) &&
    bytes.length === 2 + MINISIGN.keyId + MINISIGN.signature &&
    Buffer.from(global, "base64").length === MINISIGN.signature;
  const algorithm = bytes.toString("latin1", 0, 2);
  if (!isWhole || algorithm !== "ED") {
    const isLegacy = isWhole && algorithm === "Ed";
    throw bad(isLegacy ? "it is of minisign's old kind, without a prehash" : "it is none of minisign's");
  }
  return {
    keyId: keyIdText(bytes.subarray(2, 2 + MINISIGN.keyId)),
    file: bytes.subarray(2 + MINISIGN.keyId),
    comment: trusted.slice(TRUSTED.length),
    global: Buffer.from(global, "base64"),
  };
}

/**
 * Verifies the trusted comment, for which the file is not needed, and returns it.
 * @throws RexecError `bad_signature`
 */
export function verifyComment(signature: Signature, publicKey: PublicKey): string {
  if (signature.keyId !== publicKey.id) {
    throw bad(`it was made with the key ${signature.keyId}, and this program trusts ${publicKey.id}`);
  }
  const signed = Buffer.concat([signature.file, Buffer.from(signature.comment)]);
  if (!verify(null, signed, publicKey.key, signature.global)) throw bad("its comment is not the signer's");
  return signature.comment;
}

/**
 * Verifies the file.
 * @param blake2b512 its BLAKE2b-512, 64 bytes
 * @throws RexecError `bad_signature`
 */
export function verifyDigest(signature: Signature, publicKey: PublicKey, blake2b512: Uint8Array): void {
  verifyComment(signature, publicKey);
  if (!verify(null, blake2b512, publicKey.key, signature.file)) throw bad("the file is not the one signed");
}

/** `key:value` words of a comment, separated by tabs or spaces as minisign does it; the first of each key counts. */
export function commentFields(comment: string): Readonly<Record<string, string | undefined>> {
  const fields: Record<string, string> = {};
  for (const word of comment.split(/\s+/)) {
    const [, key, value] = /^([a-z0-9_-]+):(.*)$/.exec(word) ?? [];
    if (key !== undefined && value !== undefined && !Object.hasOwn(fields, key)) fields[key] = value;
  }
  return fields;
}

/** A key's number as minisign prints it: its bytes are a little-endian integer. */
export function keyIdText(bytes: Uint8Array): string {
  // As minisign prints it: a number, without zeros in front.
  return Buffer.from(bytes)
    .reverse()
    .toString("hex")
    .toUpperCase()
    .replace(/^0+(?=.)/, "");
}

// --- internal ---

const TRUSTED = "trusted comment: ";

function lastLine(text: string): string {
  return text.trim().split(/\r?\n/).at(-1)?.trim() ?? "";
}

function bad(why: string): RexecError {
  return new RexecError(`the signature is not valid: ${why}`, {
    code: "bad_signature",
    hint: "do not use that file; tell the operator of the server it came from",
  });
}
