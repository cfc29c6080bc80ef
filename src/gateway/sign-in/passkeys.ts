/**
 * Passkeys (WebAuthn): a key that a person's device keeps, and uses for this gateway's name alone. The device checks its
 * owner itself (`userVerification`), so a passkey is both factors.
 */
import { isIP } from "node:net";
import * as z from "zod/mini";
import { messageOf } from "../../lib/errors.ts";
import { bareHost } from "../../lib/proxy.ts";
import { RateLimit, type RateLimitOptions } from "../auth/rate-limit.ts";
import { ApiError } from "../http/api-error.ts";
import type { PasskeyRow } from "../store/passkeys.ts";
import type { Store } from "../store/store.ts";
import type { UserRow } from "../store/users.ts";
import type { NewPasskeyBody, UsePasskeyBody } from "./passkey-shapes.ts";
import { isStepSecret } from "./step-secret.ts";

/** Passkeys of one user. */
export const PASSKEYS_OF_USER = 20;

const LIFETIME_MS = 5 * 60_000;
/** Sign-ins that one address may begin. */
const BEGINNINGS: RateLimitOptions = { burst: 20, refillMs: 3_000, maxAddresses: 10_000 };
/** EdDSA, ES256, RS256 (COSE): what devices have. */
const ALGORITHMS = [-8, -7, -257];

/** The name that a passkey is bound to, and the origin of the pages that may use it. */
export interface RelyingParty {
  id: string;
  origin: string;
}

const stepData = z.object({ challenge: z.string() });

/** @returns why no passkey works at this address, as a sentence, or the relying party */
export function relyingPartyOf(publicUrl: string): RelyingParty | string {
  if (!URL.canParse(publicUrl)) return "the public URL is none";
  const url = new URL(publicUrl);
  const host = bareHost(url);
  const isLocal = /(^|\.)localhost$/.test(host);
  if (isIP(host) !== 0)
    return `passkeys need a name, and ${url.origin} is an IP address: open the gateway by its name`;
  if (url.protocol !== "https:" && !isLocal)
    return `passkeys need https, and ${url.origin} is plain http: see --tls-cert, or a proxy with --public-url`;
  return { id: host, origin: url.origin };
}

/** Registers passkeys, and signs in by them. One for the gateway. */
export class PasskeySignIn {
  readonly #store: Store;
  readonly #beginnings = new RateLimit(BEGINNINGS);

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * What the browser is asked to make a passkey with.
   * @throws ApiError 409 `no_passkeys_here`, 503
   */
  async beginNew(user: UserRow, publicUrl: string) {
    const party = required(publicUrl);
    const { generateRegistrationOptions } = await import("@simplewebauthn/server");
    const known = await this.#store.passkeys.listOfUser(user.id);
    const options = await generateRegistrationOptions({
      rpName: `Rexec at ${party.id}`,
      rpID: party.id,
      userName: user.username,
      userDisplayName: user.name,
      userID: new TextEncoder().encode(user.id),
      timeout: LIFETIME_MS,
      excludeCredentials: known.map(({ credential_id, transports }) => ({ id: credential_id, transports })),
      authenticatorSelection: { residentKey: "required", userVerification: "required" },
      supportedAlgorithmIDs: ALGORITHMS,
    });
    return { step: await this.#step("passkey_new", user.id, options.challenge), options };
  }

  /**
   * Keeps the passkey that the browser made.
   * @throws ApiError 400 `bad_passkey`, 409 `passkey_limit`, `passkey_known` or `no_passkeys_here`, 410
   */
  async finishNew(user: UserRow, publicUrl: string, body: NewPasskeyBody): Promise<PasskeyRow> {
    const party = required(publicUrl);
    const challenge = await this.#challenge("passkey_new", body.step, user.id);
    const { verifyRegistrationResponse } = await import("@simplewebauthn/server");
    const { transports } = body.credential.response;
    const { clientDataJSON, attestationObject } = body.credential.response;
    const verified = await verifyRegistrationResponse({
      response: { ...body.credential, response: { clientDataJSON, attestationObject } },
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      requireUserVerification: true,
      supportedAlgorithmIDs: ALGORITHMS,
    }).catch((error: unknown) => messageOf(error));
    if (typeof verified === "string" || !verified.verified) {
      throw new ApiError(400, "bad_passkey", `this is no passkey for ${party.id}`);
    }
    const { credential, credentialBackedUp } = verified.registrationInfo;
    const kept = await this.#store.passkeys.createWithin(
      {
        user_id: user.id,
        name: body.name?.trim() || "passkey",
        credential_id: credential.id,
        public_key: Buffer.from(credential.publicKey).toString("base64url"),
        counter: credential.counter,
        transports: transports ?? [],
        backed_up: credentialBackedUp,
      },
      PASSKEYS_OF_USER,
    );
    if (kept === "full")
      throw new ApiError(409, "passkey_limit", `an account may have ${PASSKEYS_OF_USER} passkeys`);
    if (kept === "known") throw new ApiError(409, "passkey_known", "this passkey is registered already");
    return kept;
  }

  /**
   * What the browser is asked to sign in with. Says nothing of who has a passkey.
   * @throws ApiError 409 `no_passkeys_here`, 429, 503
   */
  async beginUse(publicUrl: string, address: string) {
    const party = required(publicUrl);
    const seconds = this.#beginnings.failed(address);
    if (seconds > 0) {
      const message = "too many sign-ins from this address: wait";
      throw new ApiError(429, "too_many_attempts", message, { "Retry-After": String(seconds) });
    }
    const { generateAuthenticationOptions } = await import("@simplewebauthn/server");
    const options = await generateAuthenticationOptions({
      rpID: party.id,
      timeout: LIFETIME_MS,
      userVerification: "required",
    });
    return { step: await this.#step("passkey_use", null, options.challenge), options };
  }

  /**
   * The user whose passkey has answered. The challenge is used up, whatever the answer is.
   * @throws ApiError 401 `sign_in_failed`, 409, 410 `sign_in_expired`
   */
  async finishUse(publicUrl: string, body: UsePasskeyBody): Promise<{ user: UserRow; passkey: PasskeyRow }> {
    const party = required(publicUrl);
    const challenge = await this.#challenge("passkey_use", body.step, null);
    const passkey = await this.#store.passkeys.findByCredential(body.credential.id);
    const user = passkey && (await this.#store.users.get(passkey.user_id));
    if (!passkey || !user) throw refused();
    const { userHandle } = body.credential.response;
    if (userHandle !== undefined && Buffer.from(userHandle, "base64url").toString() !== user.id)
      throw refused();
    const { verifyAuthenticationResponse } = await import("@simplewebauthn/server");
    const { clientDataJSON, authenticatorData, signature } = body.credential.response;
    const verified = await verifyAuthenticationResponse({
      response: { ...body.credential, response: { clientDataJSON, authenticatorData, signature } },
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      requireUserVerification: true,
      credential: {
        id: passkey.credential_id,
        publicKey: new Uint8Array(Buffer.from(passkey.public_key, "base64url")),
        counter: passkey.counter,
      },
    }).catch(() => null);
    if (!verified?.verified) throw refused();
    const { newCounter, credentialBackedUp } = verified.authenticationInfo;
    if (!(await this.#store.passkeys.use(passkey.id, newCounter, credentialBackedUp))) throw refused();
    return { user, passkey };
  }

  // --- internal ---

  /** @throws ApiError 503 */
  async #step(
    kind: "passkey_new" | "passkey_use",
    userId: string | null,
    challenge: string,
  ): Promise<string> {
    const step = await this.#store.signInSteps.create(kind, userId, { challenge }, LIFETIME_MS);
    if (step !== null) return step;
    const message = "too many people are signing in at this moment: try again";
    throw new ApiError(503, "busy", message, { "Retry-After": "60" });
  }

  /** @throws ApiError 410 */
  async #challenge(
    kind: "passkey_new" | "passkey_use",
    step: string,
    userId: string | null,
  ): Promise<string> {
    const used = isStepSecret(step) ? await this.#store.signInSteps.use(kind, step) : null;
    const data = used && stepData.safeParse(used.data);
    if (data?.success && used?.userId === userId) return data.data.challenge;
    throw new ApiError(410, "sign_in_expired", "this was used already, or has expired: begin again");
  }
}

// --- internal ---

/** @throws ApiError 409 */
function required(publicUrl: string): RelyingParty {
  const party = relyingPartyOf(publicUrl);
  if (typeof party !== "string") return party;
  throw new ApiError(409, "no_passkeys_here", party);
}

function refused(): ApiError {
  return new ApiError(401, "sign_in_failed", "this passkey does not sign in here");
}
