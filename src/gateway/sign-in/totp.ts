/**
 * The second factor: codes of an authenticator app (RFC 6238: SHA-1, 6 digits, 30 seconds, which every app knows), and
 * recovery codes. No code counts twice, and each try is paid for before it is looked at.
 */
import { FAILED_LOGINS, RateLimit, type RateLimitOptions } from "../auth/rate-limit.ts";
import { ApiError } from "../http/api-error.ts";
import type { Store } from "../store/store.ts";
import type { UserRow } from "../store/users.ts";
import { makeRecoveryCodes, recoveryHash } from "./recovery-codes.ts";

const PERIOD_S = 30;
const SECRET_BYTES = 20;
/** Steps before and after the present one that count too: clocks differ. */
const WINDOW = 1;

/** Tries of an account: five at once, then one in half a minute, so 10 minutes buy 25 of a million codes. */
export const SECOND_FACTOR_TRIES: RateLimitOptions = { ...FAILED_LOGINS, burst: 5, refillMs: 30_000 };

/** What an authenticator app is set up with. Shown once. */
export interface TotpSetUp {
  /** Base 32, for apps that take it by hand. */
  secret: string;
  /** `otpauth://totp/…` */
  uri: string;
  /** The URI as a QR code, a whole `<svg>` element. */
  svg: string;
}

/** How a user passed the second factor. */
export type PassedBy = "totp" | "recovery_code";

/** Sets authenticator apps up and checks their codes. One for the gateway. */
export class SecondFactor {
  readonly #store: Store;
  readonly #tries: RateLimit;
  readonly #now: () => number;

  /** @param now Unix milliseconds */
  constructor(store: Store, tries = SECOND_FACTOR_TRIES, now: () => number = Date.now) {
    this.#store = store;
    this.#tries = new RateLimit(tries);
    this.#now = now;
  }

  /** Whether the user has an app that was set up to its end. */
  async isOn(userId: string): Promise<boolean> {
    const factor = await this.#store.factors.totp(userId);
    return factor !== null && factor.confirmed_at !== null;
  }

  /**
   * Makes a secret that counts once a code has confirmed it. A later set-up replaces one that was not confirmed.
   * @param issuer how the app names the gateway
   * @throws ApiError 409 where an app is set up already
   */
  async begin(user: UserRow, issuer: string): Promise<TotpSetUp> {
    const { Secret } = await import("otpauth");
    const secret = new Secret({ size: SECRET_BYTES }).base32;
    if (!(await this.#store.factors.beginTotp(user.id, secret))) {
      throw new ApiError(409, "totp_exists", "an authenticator app is set up already: remove it first");
    }
    return shown(user, issuer, secret);
  }

  /** The set-up that waits for its code once more; null where none does. */
  async waiting(user: UserRow, issuer: string): Promise<TotpSetUp | null> {
    const factor = await this.#store.factors.totp(user.id);
    return factor && factor.confirmed_at === null ? shown(user, issuer, factor.secret) : null;
  }

  /**
   * Confirms the set-up by a first code, and makes the recovery codes.
   * @returns the recovery codes, which are shown this once
   * @throws ApiError 401 for a wrong code, 409 where no set-up waits, 429
   */
  async confirm(user: UserRow, code: string): Promise<string[]> {
    this.#count(user.id);
    const factor = await this.#store.factors.totp(user.id);
    if (!factor || factor.confirmed_at !== null) throw noSetUp();
    const counter = await counterOf(factor.secret, code, this.#now());
    if (counter === null) throw wrongCode();
    const codes = makeRecoveryCodes();
    if (!(await this.#store.factors.confirmTotp(user.id, factor.secret, counter, hashesOf(codes))))
      throw noSetUp();
    this.#tries.succeeded(user.id);
    return codes;
  }

  /**
   * Checks a code of the app, or uses a recovery code up.
   * @throws ApiError 401 for a code that is wrong or was used, 429 after too many tries
   */
  async check(user: UserRow, code: string): Promise<PassedBy> {
    this.#count(user.id);
    const passed = (await this.#byApp(user.id, code)) ?? (await this.#byRecoveryCode(user.id, code));
    if (passed === null) throw wrongCode();
    this.#tries.succeeded(user.id);
    return passed;
  }

  /**
   * Makes new recovery codes; the earlier ones count for nothing.
   * @throws ApiError 409 without an app
   */
  async renewRecoveryCodes(user: UserRow): Promise<string[]> {
    const codes = makeRecoveryCodes();
    if (await this.#store.factors.replaceRecoveryCodes(user.id, hashesOf(codes))) return codes;
    throw new ApiError(409, "totp_missing", "no authenticator app is set up");
  }

  /** Removes the app and its recovery codes. @returns false where there was none */
  remove(userId: string): Promise<boolean> {
    return this.#store.factors.removeTotp(userId);
  }

  // --- internal ---

  async #byApp(userId: string, code: string): Promise<"totp" | null> {
    const factor = await this.#store.factors.totp(userId);
    if (!factor || factor.confirmed_at === null) return null;
    const counter = await counterOf(factor.secret, code, this.#now());
    return counter !== null && (await this.#store.factors.useCounter(userId, counter)) ? "totp" : null;
  }

  async #byRecoveryCode(userId: string, code: string): Promise<"recovery_code" | null> {
    const hash = recoveryHash(code);
    return hash !== null && (await this.#store.factors.useRecoveryCode(userId, hash))
      ? "recovery_code"
      : null;
  }

  /** @throws ApiError 429 */
  #count(userId: string): void {
    const seconds = this.#tries.failed(userId);
    if (seconds > 0) {
      throw new ApiError(429, "too_many_attempts", `too many codes for this account: wait ${seconds} s`, {
        "Retry-After": String(seconds),
      });
    }
  }
}

// --- internal ---

async function shown(user: UserRow, issuer: string, secret: string): Promise<TotpSetUp> {
  const { Secret, TOTP } = await import("otpauth");
  const { renderSVG } = await import("uqr");
  const uri = new TOTP({
    // A colon would end the issuer in the URI.
    issuer: issuer.replaceAll(":", "_"),
    label: user.username.replaceAll(":", "_"),
    secret: Secret.fromBase32(secret),
    period: PERIOD_S,
  }).toString();
  return { secret, uri, svg: renderSVG(uri) };
}

/** The time step that a code belongs to, the newest that fits; null for a wrong code. */
async function counterOf(secret: string, typed: string, now: number): Promise<number | null> {
  const token = typed.replace(/[\s\p{Pd}]/gu, "");
  if (!/^[0-9]{6}$/.test(token)) return null;
  const { Secret, TOTP } = await import("otpauth");
  const delta = TOTP.validate({
    token,
    secret: Secret.fromBase32(secret),
    period: PERIOD_S,
    timestamp: now,
    window: WINDOW,
  });
  return delta === null ? null : Math.floor(now / 1000 / PERIOD_S) + delta;
}

function hashesOf(codes: readonly string[]): string[] {
  return codes.flatMap((code) => recoveryHash(code) ?? []);
}

function wrongCode(): ApiError {
  return new ApiError(401, "wrong_code", "this code is wrong, or was used already: wait for the next one");
}

function noSetUp(): ApiError {
  return new ApiError(409, "totp_missing", "no set-up of an authenticator app waits: begin again");
}
