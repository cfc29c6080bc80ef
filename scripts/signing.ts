/** Makes keys and signatures in minisign's format, for releases and for tests. `src/lib/minisign.ts` checks them. */
import { createHash, createPrivateKey, type KeyObject, randomBytes, sign } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { keyIdText, MINISIGN } from "../src/lib/minisign.ts";

/** An Ed25519 key that signs releases. */
export interface SigningKey {
  /** 8 bytes. */
  readonly id: Uint8Array;
  readonly key: KeyObject;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** A new pair. `secretText` is what minisign calls an unencrypted secret key (`minisign -G -W`). */
export function newKeyPair(): { secretText: string; publicText: string } {
  const [seed, id] = [randomBytes(32), randomBytes(MINISIGN.keyId)];
  const { publicKey } = fromSeed(seed, id);
  const body = Buffer.concat([id, seed, publicKey]);
  const secret = Buffer.concat([
    Buffer.from("Ed\0\0B2"),
    Buffer.alloc(32 + 8 + 8), // salt and limits of the key derivation, which there is none of
    body,
    Buffer.alloc(32), // of a checksum, which minisign only gives to encrypted keys
  ]);
  const name = keyIdText(id);
  return {
    secretText: `untrusted comment: minisign secret key ${name}\n${secret.toString("base64")}\n`,
    publicText: publicKeyText({ id, publicKey }),
  };
}

/** The text of the .pub file that belongs to a key. */
export function publicKeyText({ id, publicKey }: Pick<SigningKey, "id" | "publicKey">): string {
  const bytes = Buffer.concat([Buffer.from("Ed"), id, publicKey]);
  return `untrusted comment: minisign public key ${keyIdText(id)}\n${bytes.toString("base64")}\n`;
}

/**
 * Reads an unencrypted secret key.
 * @param given the text of the key file, its second line, or the file's path
 * @throws Error where it is none
 */
export function readSigningKey(given: string): SigningKey {
  const text = given.includes("\n") || !existsSync(given) ? given : readFileSync(given, "utf8");
  const bytes = Buffer.from(text.trim().split(/\r?\n/).at(-1) ?? "", "base64");
  if (bytes.length !== 158 || bytes.toString("latin1", 0, 2) !== "Ed") {
    throw new Error("REXEC_SIGNING_KEY is neither a secret key of minisign nor the path of one");
  }
  if (bytes.readUInt16LE(2) !== 0) {
    throw new Error(
      "the signing key has a password: make one without (minisign -G -W), or remove it (minisign -C -W)",
    );
  }
  const body = bytes.subarray(54, 126);
  const id = body.subarray(0, MINISIGN.keyId);
  const key = fromSeed(body.subarray(8, 40), id);
  if (!Buffer.from(key.publicKey).equals(body.subarray(40))) throw new Error("the signing key is damaged");
  return key;
}

/**
 * The text of a .minisig file. The same file, key and comment give the same text.
 * @param comment one line, which the signature covers too
 */
export function signFile(content: Uint8Array, signingKey: SigningKey, comment: string): string {
  const { id, key } = signingKey;
  const signature = sign(null, createHash("blake2b512").update(content).digest(), key);
  const global = sign(null, Buffer.concat([signature, Buffer.from(comment)]), key);
  return [
    `untrusted comment: signature from minisign secret key ${keyIdText(id)}`,
    Buffer.concat([Buffer.from("ED"), id, signature]).toString("base64"),
    `trusted comment: ${comment}`,
    global.toString("base64"),
    "",
  ].join("\n");
}

// --- internal ---

/** Of an Ed25519 private key in PKCS #8, in front of its seed (RFC 8410). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

function fromSeed(seed: Uint8Array, id: Uint8Array): SigningKey {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
  const { x } = key.export({ format: "jwk" });
  if (!x) throw new Error("no public key could be made of the signing key");
  return { id, key, publicKey: Buffer.from(x, "base64url") };
}
