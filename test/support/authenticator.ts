/** An authenticator in software: one ES256 key for one name, as a device and a browser together answer with it. */
import { createHash } from "node:crypto";

/** How an answer differs from an honest one. */
export interface Odd {
  origin?: string;
  /** The name whose hash is signed. */
  rpId?: string;
  challenge?: string;
  type?: string;
  /** Flags of the authenticator data; default: user present and verified. */
  flags?: number;
  counter?: number;
  userHandle?: string;
  crossOrigin?: boolean;
}

const PRESENT = 0x01;
const VERIFIED = 0x04;
const ATTESTED = 0x40;

export class Authenticator {
  readonly id = Buffer.from(crypto.getRandomValues(new Uint8Array(32)));
  counter = 0;
  readonly #rpId: string;
  readonly #origin: string;
  readonly #keys: CryptoKeyPair;
  #userHandle = "";

  private constructor(rpId: string, origin: string, keys: CryptoKeyPair) {
    this.#rpId = rpId;
    this.#origin = origin;
    this.#keys = keys;
  }

  static async make(rpId: string, origin: string): Promise<Authenticator> {
    const curve = { name: "ECDSA", namedCurve: "P-256" };
    return new Authenticator(rpId, origin, await crypto.subtle.generateKey(curve, true, ["sign", "verify"]));
  }

  /** As `navigator.credentials.create()`, in JSON. */
  async create(options: { challenge: string; user: { id: string } }, odd: Odd = {}) {
    this.#userHandle = options.user.id;
    const raw = Buffer.from(await crypto.subtle.exportKey("raw", this.#keys.publicKey));
    // COSE: kty EC2, alg ES256, crv P-256, x, y
    const cose = Buffer.concat([
      Buffer.from("a5010203262001215820", "hex"),
      raw.subarray(1, 33),
      Buffer.from("225820", "hex"),
      raw.subarray(33, 65),
    ]);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(this.id.length);
    const attested = Buffer.concat([Buffer.alloc(16), length, this.id, cose]);
    const data = Buffer.concat([this.#data(odd, ATTESTED), attested]);
    // CBOR: {"fmt": "none", "attStmt": {}, "authData": bytes}
    const head = Buffer.from([0x58, data.length]);
    if (data.length > 255) throw new Error("the authenticator data needs a longer head");
    const attestation = Buffer.concat([
      Buffer.from("a363666d74646e6f6e656761747453746d74a0686175746844617461", "hex"),
      head,
      data,
    ]);
    return this.#credential({
      clientDataJSON: this.#client("webauthn.create", options.challenge, odd).toString("base64url"),
      attestationObject: attestation.toString("base64url"),
      transports: ["internal"],
    });
  }

  /** As `navigator.credentials.get()`, in JSON. */
  async get(options: { challenge: string }, odd: Odd = {}) {
    this.counter += 1;
    const data = this.#data({ counter: this.counter, ...odd }, 0);
    const client = this.#client("webauthn.get", options.challenge, odd);
    const signed = Buffer.concat([data, createHash("sha256").update(client).digest()]);
    const algorithm = { name: "ECDSA", hash: "SHA-256" };
    const signature = Buffer.from(await crypto.subtle.sign(algorithm, this.#keys.privateKey, signed));
    return this.#credential({
      clientDataJSON: client.toString("base64url"),
      authenticatorData: data.toString("base64url"),
      signature: derOf(signature).toString("base64url"),
      userHandle: odd.userHandle ?? this.#userHandle,
    });
  }

  // --- internal ---

  #data(odd: Odd, extraFlags: number): Buffer {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(odd.counter ?? 0);
    const flags = odd.flags ?? PRESENT | VERIFIED;
    const hash = createHash("sha256")
      .update(odd.rpId ?? this.#rpId)
      .digest();
    return Buffer.concat([hash, Buffer.from([flags | extraFlags]), counter]);
  }

  #client(type: string, challenge: string, odd: Odd): Buffer {
    return Buffer.from(
      JSON.stringify({
        type: odd.type ?? type,
        challenge: odd.challenge ?? challenge,
        origin: odd.origin ?? this.#origin,
        crossOrigin: odd.crossOrigin ?? false,
      }),
    );
  }

  #credential<T>(response: T) {
    const id = this.id.toString("base64url");
    return { id, rawId: id, type: "public-key" as const, clientExtensionResults: {}, response };
  }
}

// --- internal ---

/** WebCrypto gives r and s one behind the other; WebAuthn wants them in DER. */
function derOf(raw: Buffer): Buffer {
  const integer = (bytes: Buffer) => {
    let at = 0;
    while (at < bytes.length - 1 && bytes[at] === 0) at += 1;
    const trimmed = bytes.subarray(at);
    const body = (trimmed[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), trimmed]) : trimmed;
    return Buffer.concat([Buffer.from([0x02, body.length]), body]);
  };
  const body = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))]);
  return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}
